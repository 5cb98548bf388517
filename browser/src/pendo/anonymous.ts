/**
 * The visitor id of somebody unknown: the agent's prefix and the anonymousId, as the server builds it too.
 *
 * Pendo merges an anonymous visitor into the first user that follows. So an anonymousId is given to the agent until it became a
 * user, and never again: whoever comes after `reset()` gets a fresh id, or their events would join the history of the one before.
 */

import { webStorage } from '../storage';
import { attempt, isList, parse, uuid, type Dict } from '../util';

export const PREFIX = '_PENDO_T_';
const KEY = 'sp_pendo';

/** The anonymousId that became a user, the fresh visitor id that stands for it since, the account and its own traits. */
type Memory = [used: string, fresh: string, group: string, traits: Dict];

let memory: Memory = ['', '', '', {}];

export const recall = (): Memory => {
  const stored = parse(attempt(() => webStorage('localStorage')!.getItem(KEY)));
  return isList(stored) ? (memory = stored as Memory) : memory;
};

export const remember = (change: Partial<Memory>): void => {
  recall();
  Object.assign(memory, change);
  attempt(() => webStorage('localStorage')!.setItem(KEY, JSON.stringify(memory)));
};

export const anonymousVisitor = (anonymousId: string): string => {
  const [used, fresh] = recall();
  if (used !== anonymousId) return PREFIX + anonymousId;
  if (!fresh) remember([used, PREFIX + uuid()]);
  return memory[1];
};
