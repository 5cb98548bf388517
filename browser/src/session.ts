/** Sessions: automatic ones expire without events, manual ones last until `endSession`. */

import { shared } from './shared';
import { read, write } from './storage';
import { assign, now, type Dict } from './util';

const ENTRY = 'sessionInfo';
const TIMEOUT_MS = 1800000;

const info = (): Dict => assign({}, read(ENTRY));

const isLive = (session: Dict): boolean => now() <= session.expiresAt && !(session.cutOff && now() > session.cutOff.expiresAt);

/** A new session where the old one has run out, else a longer one; to be written. */
const renew = (session: Dict): Dict => {
  const { cutOff } = session;
  if (!isLive(session)) {
    session.id = now();
    session.sessionStart = undefined;
    if (cutOff) cutOff.expiresAt = now() + cutOff.duration;
  }
  session.expiresAt = now() + session.timeout;
  return session;
};

/** Settles the page's wishes with what is stored. */
export const openSession = ({ autoTrack, timeout }: Dict = {}): void => {
  const session = info();
  if (!Number.isInteger(timeout) || timeout < 0) timeout = TIMEOUT_MS;
  if (session.manualTrack) return;
  if (autoTrack === false || !timeout) return write(ENTRY);
  session.autoTrack = true;
  session.timeout = timeout;
  session.cutOff = shared.cutOff(session, timeout);
  write(ENTRY, renew(session));
};

/** For each event: the session it belongs to, with `sessionStart` on the first one. */
export const touchSession = (): Dict => {
  const session = info();
  if (session.autoTrack) renew(session);
  if (session.id) {
    session.sessionStart = session.sessionStart === undefined;
    write(ENTRY, session);
  }
  return session;
};

export const resetSession = (): void => {
  const session = info();
  if (session.autoTrack) {
    session.expiresAt = 0;
    write(ENTRY, renew(session));
  } else if (session.manualTrack) write(ENTRY, { id: now(), manualTrack: true });
};

export const sessionId = (): number | null => {
  const session = info();
  return ((session.manualTrack || isLive(session)) && session.id) || null;
};
