/**
 * Where identity is kept: the cookies and storage keys of RudderStack's SDK, byte for byte, so that a site can move here and back.
 *
 * Each entry is read through, cookies once a task: what another tab wrote is seen before the next event. What a store refuses (quota, denied access,
 * a cookie above 4 KB) stays in memory for this page view.
 */

import { attempt, base64, isFilled, json, keys, page, type Dict } from './util';

/** The first six are what `reset` forgets without being told, the seventh what `reset(true)` forgets, too. */
const KEYS = {
  userId: 'user_id',
  userTraits: 'trait',
  groupId: 'group_id',
  groupTraits: 'group_trait',
  sessionInfo: 'session',
  authToken: 'auth_token',
  anonymousId: 'anonymous_id',
  initialReferrer: 'page_init_referrer',
  initialReferringDomain: 'page_init_referring_domain',
};
export type Entry = keyof typeof KEYS;
export const ENTRIES = keys(KEYS) as Entry[];

/** Reads a key, or writes its text; an empty text removes it. */
type Store = (key: string, text?: string) => unknown;

interface Slot {
  key: string;
  store: Store;
  /** What the store held when `value` was read or written. */
  raw?: any;
  value?: any;
}

const PREFIX = 'RS_ENC_v3_';
const TEST = 'rl_test';
const TYPES = ['cookieStorage', 'localStorage', 'sessionStorage', 'memoryStorage'];
export const LOCAL = 1;
export const SESSION = 2;
const MEMORY = 3;

let stores: (Store | undefined)[];
/** With type `none` an entry has no slot: nothing is remembered, not even in memory; but for the anonymousId, or each event would be somebody else's. */
const slots: Record<string, Slot | undefined> = {};

/** The cookies as the running task knows them; '' = to be read. Each look at `document.cookie` asks another process. */
let jar = '';

export const readCookie = (name: string): string | undefined =>
  attempt(() => {
    if (!jar) {
      jar = '; ' + document.cookie;
      // What another tab writes is seen by the next task.
      queueMicrotask(() => (jar = ''));
    }
    return decodeURIComponent(jar.split(`; ${name}=`)[1]!.split(';')[0]!);
  });

const cookieStore = (options: Dict): Store | undefined => {
  // By default for a year.
  const { maxage = 31536e6, path = '/', samesite = options.sameSiteCookie || 'Lax', secure = options.secureCookie, domain = options.setCookieDomain }: Dict =
    options.storage.cookie || {};
  let host = domain || '';
  const store: Store = (name, text) =>
    text == null
      ? readCookie(name)
      : attempt(
          () =>
            ((jar = ''), (document.cookie = `${name}=${encodeURIComponent(text)};max-age=${text ? maxage / 1000 : 0};path=${path};samesite=${samesite};domain=${host}${secure ? ';secure' : ''}`)),
        );
  const sticks = (): unknown => {
    store(TEST, TEST);
    const found = readCookie(TEST);
    store(TEST, '');
    return found;
  };
  if (!host && !options.sameDomainCookiesOnly) {
    // The highest domain on which a cookie sticks; a public suffix refuses it.
    const parts = location.hostname.split('.');
    for (let level = parts.length - 1; level--; host = '') {
      host = parts.slice(level).join('.');
      if (sticks()) break;
    }
  }
  return sticks() ? store : undefined;
};

/** The browser's own store, or undefined where access is denied. */
export const webStorage = (type: number): Storage | undefined => attempt(() => (page[TYPES[type]!].getItem(TEST), page[TYPES[type]!]));

const webStore = (type: number): Store | undefined => {
  const store = webStorage(type);
  return store && ((key, text) => attempt(() => (text == null ? store.getItem(key) : text ? store.setItem(key, text) : store.removeItem(key))));
};

const decode = (raw: any): any => attempt(() => JSON.parse(raw.startsWith(PREFIX) ? decodeURIComponent(escape(atob(raw.slice(PREFIX.length)))) : raw));

/** Chooses the store of each entry. `type` names the wish; what this page view already knows is carried over. */
export const openStorage = (options: Dict, type: (entry: Entry) => string): void => {
  // Memory is a store that holds nothing: the slot has the value.
  stores = stores || [cookieStore(options), webStore(LOCAL), webStore(SESSION), () => undefined];
  for (const entry of ENTRIES) {
    let value = read(entry);
    let chosen = TYPES.indexOf(type(entry));
    if (chosen < 0 && entry === 'anonymousId') chosen = MEMORY;
    while (chosen >= 0 && !stores[chosen]) chosen++;
    const store = stores[chosen];
    const key = 'rl_' + KEYS[entry];
    slots[entry] = store && { key, store };
    // A value found in another store moves to the chosen one.
    if (store && chosen < MEMORY) {
      for (const other of stores) {
        if (other && other !== store) {
          value = value || decode(other(key));
          other(key, '');
        }
      }
    }
    if (value) write(entry, value);
  }
};

export const read = (entry: Entry): any => {
  const slot = slots[entry];
  if (!slot) return;
  const raw = slot.store(slot.key);
  if (raw !== slot.raw) {
    slot.raw = raw;
    slot.value = decode(raw);
  }
  return slot.value;
};

export const write = (entry: Entry, value?: any): void => {
  const slot = slots[entry];
  if (!slot) return;
  slot.value = value;
  slot.store(slot.key, (isFilled(value) && attempt(() => PREFIX + base64(json(value)))) || '');
  slot.raw = slot.store(slot.key);
};
