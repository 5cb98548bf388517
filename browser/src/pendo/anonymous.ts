/**
 * The visitor id of somebody unknown: the agent's prefix and the anonymousId, as the server builds it too.
 *
 * Pendo merges an anonymous visitor into the first user that follows. So an anonymousId is given to the agent until it became a
 * user, and never again: whoever comes after `reset()` gets a fresh id, or their events would join the history of the one before.
 */

import { webStorage } from '../storage';
import { attempt, isList, parse, uuid } from '../util';

export const PREFIX = '_PENDO_T_';
const KEY = 'sp_pendo';

/** The anonymousId that became a user, the fresh visitor id that stands for it since, the account and its own traits. */
export type Memory = [used: string, fresh: string, group: string, traits: Record<string, any>];

let memory: Memory | undefined;

export const recall = (): Memory => {
  const text = attempt(() => webStorage('localStorage')!.getItem(KEY));
  const stored = text && parse(text);
  return (memory = (isList(stored) && (stored as Memory)) || memory || ['', '', '', {}]);
};

export const remember = (change: (memory: Memory) => void): void => {
  const next = recall();
  const before = JSON.stringify(next);
  change(next);
  const after = JSON.stringify(next);
  if (after !== before) attempt(() => webStorage('localStorage')!.setItem(KEY, after));
};

export const anonymousVisitor = (anonymousId: string): string => {
  if (recall()[0] !== anonymousId) return PREFIX + anonymousId;
  remember((one) => {
    one[1] = one[1] || PREFIX + uuid();
  });
  return memory![1];
};
