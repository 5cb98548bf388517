/** Whether an event may go to a destination: the destination's event list and the `integrations` object (contract 9.1, 9.2). */

import { idOf, keys, type Dict } from './util';

/** Track events only; trimmed on both sides, case matters. */
export const passesList = (config: Dict, message: Dict): boolean => {
  const option = config.eventFilteringOption;
  if (message.type !== 'track' || !/listed/.test(option)) return true;
  const name = idOf(message.event);
  const isListed = name && (config[option] || []).some((one: Dict) => idOf((one || {}).eventName) === name);
  return !isListed === (option[0] !== 'w');
};

/** The key is the exact display name; a refusal under another spelling counts too, a permission does not. */
export const isIntegrated = (integrations: Dict, name: string): boolean => {
  const isRefused = keys(integrations).some((key) => !integrations[key] && key.toLowerCase() === name.toLowerCase());
  return !isRefused && !!(integrations[name] || integrations.All == null || integrations.All);
};
