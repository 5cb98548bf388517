/**
 * Where identity is kept: the cookies and storage keys of RudderStack's SDK, byte for byte, so that a site can move here and back.
 *
 * Each entry is read through: what another tab wrote is seen before the next event. What a store refuses (quota, denied access,
 * a cookie above 4 KB) stays in memory for this page view.
 */

import { alarm } from './log';
import { attempt, base64, isFilled, isString, parse, unbase64, type Dict } from './util';

export const KEYS = {
  userId: 'rl_user_id',
  userTraits: 'rl_trait',
  groupId: 'rl_group_id',
  groupTraits: 'rl_group_trait',
  anonymousId: 'rl_anonymous_id',
  initialReferrer: 'rl_page_init_referrer',
  initialReferringDomain: 'rl_page_init_referring_domain',
  sessionInfo: 'rl_session',
  authToken: 'rl_auth_token',
};
export type Entry = keyof typeof KEYS;
export const ENTRIES = Object.keys(KEYS) as Entry[];

interface Store {
  get(key: string): string | null;
  /** An empty text removes the key. */
  set(key: string, text: string): void;
}

interface Slot {
  /** Missing when the entry lives in memory only. */
  store?: Store | undefined;
  /** False with type `none`: nothing is remembered, not even in memory. */
  kept: boolean;
  /** What the store held when `value` was read or written. */
  raw: string | null;
  value: any;
}

const PREFIX = 'RS_ENC_v3_';
const TYPES = ['cookieStorage', 'localStorage', 'sessionStorage', 'memoryStorage'];
const YEAR_S = 31536000;

let stores: (Store | undefined)[];
let slots: Partial<Record<Entry, Slot>> = {};

export const readCookie = (name: string): string | null => {
  const found = attempt(() => ('; ' + document.cookie).split('; ' + name + '=')[1]);
  return found === undefined ? null : attempt(() => decodeURIComponent(found.split(';')[0]!)) || null;
};

const cookieStore = (options: Dict): Store | undefined => {
  const cookie: Dict = Object.assign(
    { maxage: YEAR_S * 1000, path: '/', samesite: options.sameSiteCookie || 'Lax', secure: options.secureCookie },
    options.storage.cookie,
  );
  let domain = cookie.domain || options.setCookieDomain;
  const set = (name: string, text: string): void => {
    attempt(
      () =>
        (document.cookie =
          `${name}=${encodeURIComponent(text)};max-age=${text ? cookie.maxage / 1000 : 0};path=${cookie.path};samesite=${cookie.samesite}` +
          (domain ? ';domain=' + domain : '') +
          (cookie.secure ? ';secure' : '')),
    );
  };
  const sticks = (): boolean => {
    set('rl_test', '1');
    const found = readCookie('rl_test');
    set('rl_test', '');
    return !!found;
  };
  if (!domain && !options.sameDomainCookiesOnly && !/^[\d.]+$|:/.test(location.hostname)) {
    // The highest domain on which a cookie sticks; a public suffix refuses it.
    const parts = location.hostname.split('.');
    for (let level = parts.length - 2; level >= 0; level--) {
      domain = '.' + parts.slice(level).join('.');
      if (sticks()) break;
      domain = '';
    }
  }
  return sticks() ? { get: readCookie, set } : undefined;
};

const webStore = (name: 'localStorage' | 'sessionStorage'): Store | undefined => {
  const store = webStorage(name);
  return (
    store && {
      get: (key) => attempt(() => store.getItem(key)) || null,
      set: (key, text) => attempt(() => (text ? store.setItem(key, text) : store.removeItem(key))),
    }
  );
};

/** The browser's own store, or undefined where access is denied. */
export const webStorage = (name: 'localStorage' | 'sessionStorage'): Storage | undefined =>
  attempt(() => (window[name].getItem('rl_test'), window[name]));

const decode = (raw: string | null): any => {
  if (raw === null) return undefined;
  return parse(raw.startsWith(PREFIX) ? attempt(() => unbase64(raw.slice(PREFIX.length))) || '' : raw);
};

/** Chooses the store of each entry. `type` names the wish; what this page view already knows is carried over. */
export const openStorage = (options: Dict, type: (entry: Entry) => string | undefined, carry: boolean): void => {
  stores = stores || [cookieStore(options), webStore('localStorage'), webStore('sessionStorage')];
  for (const entry of ENTRIES) {
    const before = carry && read(entry);
    const wish = type(entry) || TYPES[0]!;
    let chosen = TYPES.indexOf(wish);
    while (chosen >= 0 && chosen < 3 && !stores[chosen]) chosen++;
    if (chosen >= 0 && TYPES[chosen] !== wish) alarm(entry + ' is kept in ' + TYPES[chosen]);
    const store = stores[chosen];
    slots[entry] = { store, kept: wish !== 'none', raw: null, value: undefined };
    // A value found in another store moves to the chosen one.
    for (const other of stores) {
      if (store && other && other !== store) {
        const found = decode(other.get(KEYS[entry]));
        if (found) write(entry, found);
        other.set(KEYS[entry], '');
      }
    }
    if (before) write(entry, before);
  }
};

export const read = (entry: Entry): any => {
  const slot = slots[entry];
  if (!slot) return undefined;
  if (slot.store) {
    const raw = slot.store.get(KEYS[entry]);
    if (raw !== slot.raw) {
      slot.raw = raw;
      slot.value = decode(raw);
    }
  }
  return slot.value;
};

export const write = (entry: Entry, value: any): void => {
  const slot = slots[entry];
  if (!slot || !slot.kept) return;
  slot.value = value;
  if (slot.store) {
    const empty = !value || !(isString(value) || isFilled(value));
    slot.store.set(KEYS[entry], empty ? '' : PREFIX + base64(JSON.stringify(value)));
    slot.raw = slot.store.get(KEYS[entry]);
  }
};
