/** Destinations that are served in the page: Pendo, and integrations that the page adds itself. */

import { isConsented } from './consent';
import { isIntegrated, passesList } from './filters';
import { debug, error, warn } from './log';
import { createPendo, type Analytics, type Home } from './pendo';
import { anonymousVisitor, PREFIX } from './pendo/anonymous';
import { clone, isFunction, isObject, merge, tell, type Dict } from './util';

const LOOK_MS = 50;
const READY_MS = 11000;
const CUSTOM = 'Custom Device Mode';
const LOGGER = { log: debug, debug, info: debug, warn, error };

interface Device {
  id: string;
  name: string;
  config: Dict;
  integration: any;
  /** Events before it is ready; undefined once it is. */
  waiting?: [Dict, Dict | undefined][] | undefined;
  failed?: boolean;
  allowed: boolean;
}

let devices: Device[] = [];
/** Events before the destinations are known; undefined afterwards. */
let early: [Dict, Dict | undefined][] | undefined = [];
let earlyMax = 100;
let custom: Record<string, any> = {};

export const limitEarly = (max: unknown): void => {
  if ((max as number) > 0) earlyMax = max as number;
};

export const addCustom = (id: string, integration: any): void => {
  if (early && isObject(integration) && isFunction(integration.isReady)) custom[id] = integration;
  else error('a custom integration needs isReady and is added before load');
};

/** A page's integration in the shape of our own. */
const adapt = (own: any, config: Dict, analytics: Analytics): Dict => {
  const adapted: Dict = { isReady: () => own.isReady(analytics, LOGGER), init: () => own.init && own.init(config, analytics, LOGGER) };
  for (const type of ['identify', 'track', 'page', 'group', 'alias']) {
    adapted[type] = ({ message }: Dict) => own[type] && own[type](analytics, LOGGER, { message });
  }
  return adapted;
};

/** Loads what the source configuration, the page and the person allow; `ready` comes when all are ready or failed. */
export const openDevices = (
  destinations: Dict[],
  overrides: Dict[],
  integrations: Dict,
  analytics: Analytics,
  home: Home,
  ready: () => void,
): void => {
  for (const destination of destinations) {
    const { id, destinationDefinition } = destination;
    const name = (destinationDefinition || {}).displayName;
    const override = overrides.find((one) => one.id === id) || {};
    const config = merge(destination.config || {}, clone(override.config) || {});
    const enabled = typeof override.enabled === 'boolean' ? override.enabled : destination.enabled !== false;
    const known = devices.find((one) => one.id === id);
    const allowed = enabled && config.connectionMode !== 'cloud' && isIntegrated(integrations, name) && isConsented(config);
    if (known) {
      // Consent changed: what was withdrawn stops at once, and comes back when given again.
      if (known.allowed !== allowed) tell(known.integration, allowed ? 'resume' : 'stop');
      known.allowed = allowed;
    } else if (allowed) {
      const own = name === CUSTOM ? custom[id] && adapt(custom[id], config, analytics) : undefined;
      if (!own && name !== 'Pendo') {
        error('there is no integration for ' + name);
        continue;
      }
      const integration = own || createPendo(config, analytics, { destinationId: id, embedded: true }, home);
      const device: Device = { id, name, config, integration, allowed, waiting: early ? early.slice() : [] };
      devices.push(device);
      try {
        integration.init();
      } catch (cause) {
        giveUp(device, cause);
      }
    }
  }
  early = undefined;
  watch(ready, 0);
};

const giveUp = (device: Device, cause: unknown): void => {
  device.failed = true;
  device.waiting = undefined;
  error(device.name + ' is not available:', cause);
};

const watch = (ready: () => void, waitedMs: number): void => {
  for (const device of devices) {
    const { waiting } = device;
    if (!waiting) continue;
    try {
      if (device.integration.isReady()) {
        device.waiting = undefined;
        for (const [message, own] of waiting) hand(device, message, own);
      } else if (waitedMs > READY_MS) throw 'no answer';
    } catch (cause) {
      giveUp(device, cause);
    }
  }
  if (devices.some((device) => device.waiting)) setTimeout(watch, LOOK_MS, ready, waitedMs + LOOK_MS);
  else ready();
};

const hand = (device: Device, message: Dict, own: Dict | undefined): void => {
  if (device.failed || !device.allowed || !isIntegrated(message.integrations, device.name)) return;
  if (passesList(device.config, message)) tell(device.integration, message.type, { message: clone(message), own });
};

/** `own`: the traits that a group call itself brought. */
export const toDevices = (message: Dict, own: Dict | undefined): void => {
  const lists = early ? [early] : [];
  for (const device of devices) {
    if (device.waiting) lists.push(device.waiting);
    else hand(device, message, own);
  }
  for (const list of lists) {
    list.push([message, own]);
    if (list.length > earlyMax) {
      // Identify and group say who is there; only tracks and pages may be lost.
      list.splice(Math.max(0, list.findIndex(([one]) => /^(track|page)$/.test(one.type))), 1);
    }
  }
};

export const forgetEarly = (): void => {
  if (early) early = [];
};

/** After `reset()`. */
export const watchDevices = (): void => {
  for (const device of devices) tell(device.integration, 'watch');
};

/** In hybrid mode the server must name somebody unknown as the agent in the page does. */
export const nameVisitor = (message: Dict): void => {
  if (message.userId || !isIntegrated(message.integrations, 'Pendo')) return;
  const visitorId = anonymousVisitor(message.anonymousId);
  const hybrid = devices.some((device) => device.allowed && device.config.connectionMode === 'hybrid');
  if (hybrid || visitorId !== PREFIX + message.anonymousId) {
    message.integrations = merge(message.integrations, { Pendo: { visitorId } });
  }
};
