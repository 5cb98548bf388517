/** Sessions: automatic ones expire without events, manual ones last until `endSession`. */

import { warn } from './log';
import { read, write } from './storage';
import { now, type Dict } from './util';

const TIMEOUT_MS = 1800000;
const CUT_OFF_MS = 43200000;

const isWhole = (value: any): value is number => Number.isInteger(value) && value >= 0;

const info = (): Dict => read('sessionInfo') || {};

const expired = (session: Dict): boolean =>
  !(now() <= session.expiresAt) || (session.cutOff && session.cutOff.enabled && now() > session.cutOff.expiresAt);

/** Settles the page's wishes with what is stored. */
export const openSession = (options: Dict): void => {
  const stored = info();
  let timeout = options.timeout;
  if (!isWhole(timeout)) timeout = TIMEOUT_MS;
  else if (timeout < 10000) warn('a session timeout below 10 s');
  const auto = options.autoTrack !== false && timeout > 0 && !stored.manualTrack;
  if (!auto) {
    if (!stored.manualTrack) write('sessionInfo', undefined);
    return;
  }
  const session: Dict = Object.assign({}, stored, { autoTrack: true, timeout });
  delete session.cutOff;
  const cutOff = options.cutOff || {};
  if (cutOff.enabled === true) {
    const duration = isWhole(cutOff.duration) ? cutOff.duration : CUT_OFF_MS;
    if (duration < timeout) warn('sessions.cutOff is shorter than the timeout and ignored');
    else session.cutOff = { enabled: true, duration, expiresAt: (stored.cutOff || {}).expiresAt };
  }
  renew(session);
};

/** A new session where the old one has run out, else a longer one. */
const renew = (session: Dict): Dict => {
  if (expired(session)) {
    session = Object.assign({}, session, { id: now(), sessionStart: undefined });
    if (session.cutOff) session.cutOff = { enabled: true, duration: session.cutOff.duration };
  }
  session.expiresAt = now() + session.timeout;
  if (session.cutOff && !session.cutOff.expiresAt) session.cutOff.expiresAt = now() + session.cutOff.duration;
  write('sessionInfo', session);
  return session;
};

/** For each event: the session it belongs to, with `sessionStart` on the first one. */
export const touchSession = (): Dict => {
  let session = info();
  if (session.autoTrack) session = renew(session);
  if (session.autoTrack || session.manualTrack) {
    session = Object.assign({}, session, { sessionStart: session.sessionStart === undefined });
    write('sessionInfo', session);
  }
  return session;
};

export const resetSession = (): void => {
  const session = info();
  if (session.autoTrack) renew(Object.assign({}, session, { expiresAt: 0 }));
  else if (session.manualTrack) startSession(now());
};

export const startSession = (id?: any): void => {
  const valid = isWhole(id) && String(id).length >= 10;
  if (!valid) warn('a session id is a whole number of at least 10 digits');
  write('sessionInfo', { id: valid ? id : now(), manualTrack: true });
};

export const endSession = (): void => write('sessionInfo', undefined);

export const sessionId = (): number | null => {
  const session = info();
  return (session.manualTrack || (session.autoTrack && !expired(session)) ? session.id : null) || null;
};
