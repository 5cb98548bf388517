/** Destinations that are served in the page: Pendo, and integrations that the page adds itself. */

import { isConsented } from './consent';
import { isIntegrated, passesList } from './filters';
import { DEBUG, ERROR, log, WARN } from './log';
import { createPendo, type Analytics, type Home } from './pendo';
import { anonymousVisitor, PREFIX } from './pendo/anonymous';
import { tell } from './pendo/agent';
import { clone, merge, pushBounded, type Dict } from './util';

const LOOK_MS = 50;
const READY_MS = 11000;
const say = (level: number) => (...words: unknown[]): void => log(level, ...words);
const LOGGER = { log: say(0), info: say(1), debug: say(DEBUG), warn: say(WARN), error: say(ERROR) };

interface Device {
  id: string;
  name: string;
  config: Dict;
  integration: any;
  isReady?: boolean;
  isAllowed: boolean;
}

/** A message, and the traits that a group call itself brought. */
type Handed = [message: Dict, own: Dict | undefined];

let devices: Device[] = [];
/** Events until all destinations are ready or failed; undefined from then on. */
let waiting: Handed[] | undefined = [];
let waitingMax = 100;
const custom: Record<string, any> = {};

export const limitWaiting = (max: number): void => {
  waitingMax = max;
};

export const addCustom = (id: string, integration: any): void => {
  custom[id] = integration;
};

/** A page's integration in the shape of our own. */
const adapt = (own: any, config: Dict, analytics: Analytics): Dict => {
  const adapted: Dict = {
    init: () => tell(own, 'init', config, analytics, LOGGER),
    isReady: () => own.isReady(analytics, LOGGER),
  };
  for (const type of ['identify', 'track', 'page', 'group', 'alias']) {
    adapted[type] = ({ message }: Dict) => tell(own, type, analytics, LOGGER, { message });
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
  for (const { id, enabled, config: own, destinationDefinition } of destinations) {
    const name = destinationDefinition.displayName;
    const override = overrides.find((one) => one.id === id) || {};
    const config = merge(own, override.config || {});
    const isAllowed =
      (override.enabled === undefined ? enabled : override.enabled) !== false &&
      config.connectionMode !== 'cloud' &&
      isIntegrated(integrations, name) &&
      isConsented(config);
    const known = devices.find((one) => one.id === id);
    if (known) {
      // Consent changed: what was withdrawn stops at once, and comes back when given again.
      if (known.isAllowed !== isAllowed) tell(known.integration, isAllowed ? 'resume' : 'stop');
      known.isAllowed = isAllowed;
    } else if (isAllowed) {
      const integration =
        name === 'Pendo' ? createPendo(config, analytics, id, home, true) : custom[id] && adapt(custom[id], config, analytics);
      if (integration) {
        waiting = waiting || [];
        devices.push({ id, name, config, integration, isAllowed });
        tell(integration, 'init');
      } else log(ERROR, 'no integration for', name);
    }
  }
  watch(ready, 0);
};

const watch = (ready: () => void, waitedMs: number): void => {
  devices = devices.filter((device) => {
    try {
      device.isReady = device.isReady || device.integration.isReady();
      if (device.isReady || waitedMs < READY_MS) return true;
    } catch (_) {
      // It failed, and says so by throwing.
    }
    return log(ERROR, device.name, 'is not available');
  });
  if (devices.some((device) => !device.isReady)) setTimeout(watch, LOOK_MS, ready, waitedMs + LOOK_MS);
  else {
    const events = waiting || [];
    waiting = undefined;
    events.forEach(toDevices);
    ready();
  }
};

export const toDevices = (handed: Handed): void => {
  if (waiting) return pushBounded(waiting, handed, waitingMax, ([message]) => message.type);
  const [message, own] = handed;
  for (const { integration, name, config, isAllowed } of devices) {
    if (isAllowed && isIntegrated(message.integrations, name) && passesList(config, message)) {
      tell(integration, message.type, { message: clone(message), own });
    }
  }
};

export const forgetWaiting = (): void => {
  if (waiting) waiting = [];
};

/** After `reset()`. */
export const watchDevices = (): void => {
  for (const device of devices) tell(device.integration, 'watch');
};

/** In hybrid mode the server must name somebody unknown as the agent in the page does. */
export const nameVisitor = (message: Dict): void => {
  if (message.userId || !isIntegrated(message.integrations, 'Pendo')) return;
  const visitorId = anonymousVisitor(message.anonymousId);
  if (visitorId !== PREFIX + message.anonymousId || devices.some((one) => one.config.connectionMode === 'hybrid')) {
    message.integrations = merge(message.integrations, { Pendo: { visitorId } });
  }
};
