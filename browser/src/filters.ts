/** Whether an event may go to a destination: the destination's event list and the `integrations` object (contract 9.1, 9.2). */

import { log, WARN } from './log';
import { isString, keys, type Dict } from './util';

const trimmed = (name: unknown): string => (isString(name) ? name.trim() : '');

/** Track events only; trimmed on both sides, case matters. */
export const passesList = (config: Dict, message: Dict): boolean => {
  const option = config.eventFilteringOption;
  if (message.type !== 'track' || !/^(white|black)listedEvents$/.test(option)) return true;
  const name = trimmed(message.event);
  const isListed = name && (config[option] || []).some((one: Dict) => trimmed((one || {}).eventName) === name);
  return !!isListed === (option[0] === 'w');
};

/** The key is the exact display name; a refusal under another spelling counts too, a permission does not. */
export const isIntegrated = (integrations: Dict, name: string): boolean => {
  const own = integrations[name];
  const all = integrations.All;
  return (
    keys(integrations).every((key) => {
      const isWrong = key !== name && key.toLowerCase() === name.toLowerCase() && !integrations[key];
      if (isWrong) log(WARN, key, 'is written', name);
      return !isWrong;
    }) && !!(own !== undefined ? own : all == null || all)
  );
};
