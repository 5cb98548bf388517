/**
 * The visitor id of somebody unknown: the agent's prefix and the anonymousId, as the server builds it too.
 *
 * Pendo merges an anonymous visitor into the first user that follows. So an anonymousId is given to the agent until it became a
 * user, and never again: whoever comes after `reset()` gets a fresh id, or their events would join the history of the one before.
 */

import { assign, attempt, isList, json, parse, uuid } from '../util';

export const PREFIX = '_PENDO_T_';
const KEY = 'sp_pendo';

/** The anonymousId that became a user, the fresh visitor id that stands for it since, the account and its own traits. */
let memory: any[] = [];

export const recall = (): any[] => {
  const stored = attempt(() => parse(localStorage.getItem(KEY)));
  return isList(stored) ? (memory = stored) : memory;
};

/** Holes in `change` stay as they are. */
export const remember = (change: any[]): void => {
  assign(recall(), change);
  attempt(() => localStorage.setItem(KEY, json(memory)));
};

export const anonymousVisitor = (anonymousId: string): string => {
  const [used, fresh] = recall();
  if (used !== anonymousId) return PREFIX + anonymousId;
  if (!fresh) remember([, PREFIX + uuid()]);
  return memory[1];
};
