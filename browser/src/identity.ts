/** Who is there, beyond what is stored as it comes: the anonymousId, and forgetting. */

import { resetSession } from './session';
import { shared } from './shared';
import { ENTRIES, read, write } from './storage';
import { uuid } from './util';

/** The anonymousId, made on first use. */
export const anonymousId = (): string => {
  let id = read('anonymousId');
  if (!id) write('anonymousId', (id = shared.firstId() || uuid()));
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
