/** Who is there, beyond what is stored as it comes: the anonymousId, and forgetting. */

import { resetSession } from './session';
import { ENTRIES, read, readCookie, write } from './storage';
import { attempt, uuid, type Dict } from './util';

/** The anonymousId, made on first use. */
export const anonymousId = (options?: any): string => {
  let id = read('anonymousId');
  if (!id) {
    const { enabled, source }: Dict = (options || {}).autoCapture || {};
    const key = 'ajs_anonymous_id';
    if (enabled === true && source === 'segment') id = attempt(() => localStorage.getItem(key)) || readCookie(key);
    // Segment stores its id as JSON.
    write('anonymousId', (id = (id && id.replace(/"/g, '')) || uuid()));
  }
  return id;
};

export const reset = (given?: any): void =>
  ENTRIES.forEach((entry, at) => {
    const wish = ((given || {}).entries || {})[entry];
    // Whatever is no boolean is ignored.
    if (wish !== true && (wish === false || at > (given === true ? 6 : 5))) return;
    if (entry === 'sessionInfo') resetSession();
    else write(entry, entry === 'anonymousId' ? uuid() : '');
  });
