/** Destinations that are served in the page: Pendo, and integrations that the page adds itself. */

import { isIntegrated, passesList } from './filters';
import { log } from './log';
import { createPendo, type Analytics, type Home, type Parcel } from './pendo';
import { anonymousVisitor, PREFIX } from './pendo/anonymous';
import { tell } from './pendo/agent';
import { shared } from './shared';
import { clone, merge, push, type Dict } from './util';

const LOOK_MS = 50;
const READY_MS = 11000;

interface Device {
  id: string;
  name: string;
  config: Dict;
  integration: any;
  isAllowed: boolean;
}

let devices: Device[] = [];
/** Events until all destinations are ready or failed; undefined from then on. */
let waiting: Parcel[] | undefined = [];
let waitingMax = 100;

export const limitWaiting = (max: number): void => {
  if (max > 0) waitingMax = max;
};

/** Loads what the source configuration, the page and the person allow; `ready` comes when all are ready or failed. */
export const openDevices = (
  destinations: Dict[],
  integrations: Dict,
  analytics: Analytics,
  home: Home,
  ready: () => void,
): void => {
  for (const { id, enabled, config, destinationDefinition } of destinations) {
    const name = destinationDefinition.displayName;
    const isAllowed = enabled !== false && config.connectionMode !== 'cloud' && isIntegrated(integrations, name);
    let device = devices.find((one) => one.id === id);
    if (!device) {
      if (!isAllowed) continue;
      const integration = name === 'Pendo' ? createPendo(config, analytics, id, home) : shared.adapt(id, config, analytics);
      if (!integration) {
        log('not available:', name);
        continue;
      }
      waiting = waiting || [];
      devices.push((device = { id, name, config, integration, isAllowed }));
      tell(integration, 'init');
    }
    // Consent changed: what was withdrawn stops at once, and comes back when given again.
    if (device.isAllowed !== isAllowed) tell(device.integration, isAllowed ? 'resume' : 'stop');
    device.isAllowed = isAllowed;
  }
  watch(ready, 0);
};

const watch = (ready: () => void, waitedMs: number): void => {
  let isWaiting = false;
  devices = devices.filter(({ integration, name }) => {
    try {
      if (integration.isReady()) return true;
      if (waitedMs < READY_MS) return (isWaiting = true);
    } catch (_) {
      // It failed, and says so by throwing.
    }
    return log('not available:', name);
  });
  if (isWaiting) setTimeout(watch, LOOK_MS, ready, waitedMs + LOOK_MS);
  else {
    const events = waiting || [];
    waiting = undefined;
    events.forEach(toDevices);
    ready();
  }
};

export const toDevices = (parcel: Parcel): void => {
  if (waiting) push(waiting, parcel, waitingMax);
  else {
    const { message, own } = parcel;
    for (const { integration, name, config, isAllowed } of devices) {
      if (isAllowed && isIntegrated(message.integrations, name) && passesList(config, message)) {
        tell(integration, 'take', { type: message.type, message: clone(message), own });
      }
    }
  }
};

export const forgetWaiting = (): void => {
  if (waiting) waiting = [];
};

/** After `reset()`. */
export const watchDevices = (): void => devices.forEach((one) => tell(one.integration, 'watch'));

/** In hybrid mode the server must name somebody unknown as the agent in the page does. */
export const nameVisitor = (message: Dict): void => {
  const { userId, anonymousId, integrations } = message;
  if (userId || !isIntegrated(integrations, 'Pendo')) return;
  const visitorId = anonymousVisitor(anonymousId);
  if (visitorId !== PREFIX + anonymousId || devices.some((one) => one.config.connectionMode === 'hybrid')) {
    message.integrations = merge(integrations, { Pendo: { visitorId } });
  }
};
