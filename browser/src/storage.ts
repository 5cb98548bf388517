/**
 * Where identity is kept: the cookies and storage keys of RudderStack's SDK, byte for byte, so that a site can move here and back.
 *
 * Each entry is read through: what another tab wrote is seen before the next event. What a store refuses (quota, denied access,
 * a cookie above 4 KB) stays in memory for this page view.
 */

import { log, WARN } from './log';
import { assign, attempt, base64, isString, keys, page, parse, unbase64, type Dict } from './util';

const KEYS = {
  userId: 'user_id',
  userTraits: 'trait',
  groupId: 'group_id',
  groupTraits: 'group_trait',
  anonymousId: 'anonymous_id',
  initialReferrer: 'page_init_referrer',
  initialReferringDomain: 'page_init_referring_domain',
  sessionInfo: 'session',
  authToken: 'auth_token',
};
export type Entry = keyof typeof KEYS;
export const ENTRIES = keys(KEYS) as Entry[];

interface Store {
  get(key: string): string | null | undefined;
  /** An empty text removes the key. */
  set(key: string, text: string): void;
}

interface Slot {
  /** Missing when the entry lives in memory only. */
  store?: Store | undefined;
  /** False with type `none`: nothing is remembered, not even in memory. */
  isKept: boolean;
  /** What the store held when `value` was read or written. */
  raw?: string | null | undefined;
  value?: any;
}

const PREFIX = 'RS_ENC_v3_';
const TEST = 'rl_test';
const TYPES = ['cookieStorage', 'localStorage', 'sessionStorage', 'memoryStorage'];
const YEAR_MS = 31536e6;

let stores: (Store | undefined)[];
const slots: Partial<Record<Entry, Slot>> = {};

export const readCookie = (name: string): string | undefined =>
  attempt(() => decodeURIComponent(('; ' + document.cookie).split(`; ${name}=`)[1]!.split(';')[0]!));

const cookieStore = (options: Dict): Store | undefined => {
  const { hostname } = location;
  const cookie: Dict = assign(
    {
      maxage: YEAR_MS,
      path: '/',
      domain: options.setCookieDomain,
      samesite: options.sameSiteCookie,
      secure: options.secureCookie,
    },
    options.storage.cookie,
  );
  const set = (name: string, text: string): void => {
    attempt(
      () =>
        (document.cookie =
          `${name}=${encodeURIComponent(text)};max-age=${text ? cookie.maxage / 1000 : 0};path=${cookie.path};samesite=${cookie.samesite}` +
          (cookie.domain ? ';domain=' + cookie.domain : '') +
          (cookie.secure ? ';secure' : '')),
    );
  };
  const sticks = (): boolean => {
    set(TEST, TEST);
    const found = readCookie(TEST);
    set(TEST, '');
    return !!found;
  };
  if (!cookie.domain && !options.sameDomainCookiesOnly && !/^[\d.]+$|:/.test(hostname)) {
    // The highest domain on which a cookie sticks; a public suffix refuses it.
    const parts = hostname.split('.');
    for (let level = parts.length - 1; level--; cookie.domain = '') {
      cookie.domain = '.' + parts.slice(level).join('.');
      if (sticks()) break;
    }
  }
  return sticks() ? { get: readCookie, set } : undefined;
};

/** The browser's own store, or undefined where access is denied. */
export const webStorage = (name: string): Storage | undefined => attempt(() => (page[name].getItem(TEST), page[name]));

const webStore = (name: string): Store | undefined => {
  const store = webStorage(name);
  return (
    store && {
      get: (key) => attempt(() => store.getItem(key)),
      set: (key, text) => attempt(() => (text ? store.setItem(key, text) : store.removeItem(key))),
    }
  );
};

const decode = (raw: any): any =>
  parse(attempt(() => (raw.startsWith(PREFIX) ? unbase64(raw.slice(PREFIX.length)) : raw)));

/** Chooses the store of each entry. `type` names the wish; what this page view already knows is carried over. */
export const openStorage = (options: Dict, type: (entry: Entry) => string): void => {
  stores = stores || [cookieStore(options), webStore(TYPES[1]!), webStore(TYPES[2]!)];
  for (const entry of ENTRIES) {
    const known = read(entry);
    const wish = type(entry);
    let chosen = TYPES.indexOf(wish);
    while (chosen >= 0 && chosen < 3 && !stores[chosen]) chosen++;
    if (chosen >= 0 && TYPES[chosen] !== wish) log(WARN, entry, TYPES[chosen]);
    const store = stores[chosen];
    slots[entry] = { store, isKept: chosen >= 0 };
    // A value found in another store moves to the chosen one.
    if (store) {
      for (const other of stores) {
        if (other && other !== store) {
          const found = decode(other.get('rl_' + KEYS[entry]));
          if (found) write(entry, found);
          other.set('rl_' + KEYS[entry], '');
        }
      }
    }
    if (known) write(entry, known);
  }
};

export const read = (entry: Entry): any => {
  const slot = slots[entry] || ({} as Slot);
  if (slot.store) {
    const raw = slot.store.get('rl_' + KEYS[entry]);
    if (raw !== slot.raw) {
      slot.raw = raw;
      slot.value = decode(raw);
    }
  }
  return slot.value;
};

export const write = (entry: Entry, value?: any): void => {
  const slot = slots[entry];
  if (!slot || !slot.isKept) return;
  slot.value = value;
  if (slot.store) {
    const isFilled = value && (isString(value) || keys(value).length);
    const key = 'rl_' + KEYS[entry];
    slot.store.set(key, isFilled ? PREFIX + (attempt(() => base64(JSON.stringify(value))) || '') : '');
    slot.raw = slot.store.get(key);
  }
};
