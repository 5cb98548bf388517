/** Sessions: automatic ones expire without events, manual ones last until `endSession`. */

import { log, WARN } from './log';
import { read, write } from './storage';
import { assign, now, type Dict } from './util';

const ENTRY = 'sessionInfo';
const TIMEOUT_MS = 1800000;
const CUT_OFF_MS = 43200000;

const whole = (value: any, otherwise: number): number => (Number.isInteger(value) && value >= 0 ? value : otherwise);

const info = (): Dict => read(ENTRY) || {};

const isLive = (session: Dict): boolean =>
  now() <= session.expiresAt && !(session.cutOff && now() > session.cutOff.expiresAt);

/** A new session where the old one has run out, else a longer one. */
const renew = (given: Dict): Dict => {
  const session = assign({}, given);
  const { cutOff } = session;
  if (!isLive(session)) {
    session.id = now();
    delete session.sessionStart;
    if (cutOff) session.cutOff = assign({}, cutOff, { expiresAt: now() + cutOff.duration });
  }
  session.expiresAt = now() + session.timeout;
  return session;
};

/** Settles the page's wishes with what is stored. */
export const openSession = (options: Dict): void => {
  const stored = info();
  const timeout = whole(options.timeout, TIMEOUT_MS);
  if (timeout < 10000) log(WARN, 'sessions.timeout', timeout);
  if (stored.manualTrack) return;
  if (options.autoTrack === false || !timeout) return write(ENTRY);
  const { enabled, duration } = options.cutOff;
  let cutOff: Dict | undefined = enabled === true ? { enabled, duration: whole(duration, CUT_OFF_MS) } : undefined;
  if (cutOff && cutOff.duration < timeout) cutOff = log(WARN, 'sessions.cutOff', duration) as undefined;
  write(ENTRY, renew(assign({}, stored, { autoTrack: true, timeout, cutOff: cutOff && assign({}, stored.cutOff, cutOff) })));
};

/** For each event: the session it belongs to, with `sessionStart` on the first one. */
export const touchSession = (): Dict => {
  let session = info();
  if (!session.id) return session;
  session = session.autoTrack ? renew(session) : assign({}, session);
  session.sessionStart = session.sessionStart === undefined;
  write(ENTRY, session);
  return session;
};

export const resetSession = (): void => {
  const session = info();
  if (session.autoTrack) write(ENTRY, renew(assign({}, session, { expiresAt: 0 })));
  else if (session.manualTrack) startSession(now());
};

export const startSession = (id?: any): void => {
  const isValid = whole(id, 0) > 999999999;
  if (!isValid) log(WARN, 'startSession', id);
  write(ENTRY, { id: isValid ? id : now(), manualTrack: true });
};

export const endSession = (): void => write(ENTRY);

export const sessionId = (): number | null => {
  const session = info();
  return ((session.manualTrack || isLive(session)) && session.id) || null;
};
