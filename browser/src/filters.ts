/** Whether an event may go to a destination: the destination's event list and the `integrations` object (contract 9.1, 9.2). */

import { warn } from './log';
import { isString, type Dict } from './util';

/** Track events only; trimmed on both sides, case matters. */
export const passesList = (config: Dict, message: Dict): boolean => {
  const option = config.eventFilteringOption;
  if (message.type !== 'track' || !/^(white|black)listedEvents$/.test(option)) return true;
  const name = isString(message.event) ? message.event.trim() : '';
  const listed = !!name && (config[option] || []).some((one: Dict) => one && isString(one.eventName) && one.eventName.trim() === name);
  return listed === (option === 'whitelistedEvents');
};

/** The key is the exact display name; a refusal under another spelling counts too, a permission does not. */
export const isIntegrated = (integrations: Dict, name: string): boolean => {
  for (const key of Object.keys(integrations)) {
    if (key !== name && key.toLowerCase() === name.toLowerCase() && !integrations[key]) {
      warn(key + ': write ' + name);
      return false;
    }
  }
  const own = integrations[name];
  return own === undefined ? integrations.All == null || !!integrations.All : !!own;
};
