/**
 * Events that are not yet confirmed by the server: in memory, and as one storage key each.
 *
 * A key per event lets tabs share the store without overwriting each other: adding is one write, settling one removal. Keys are
 * `sp_q.<write key>.<tab>.<number>`. While a tab has events it says until when it is alive under `sp_q.<write key>.<tab>`; the
 * events of a tab that is gone are taken over by any other, also by one of a later build: these names stay. Two tabs that do so at once send an event twice, which the server
 * removes by `messageId`; losing one would be worse.
 */

import { LOCAL, SESSION, webStorage } from './storage';
import { attempt, keys, now, push, uuid } from './util';

export interface Item {
  /** The event as JSON. */
  text: string;
  /** What follows `{"type":"` in it. */
  type: string;
  /** Its storage key; missing where the store did not take it, and it lives in memory only. */
  key?: string | undefined;
  /** Whether another tab or page left it behind. */
  isRecovered: boolean;
  /** Whether a request with it is under way. */
  isSending?: boolean;
}

const ALIVE_MS = 10000;
/** How long a request of a page that was left may still be under way. */
const LEFT_MS = 3000;

let prefix = '';
/** The key of this tab. */
let own = '';
let max = 1000;
/** So many digits that keys in the order of their text are in the order of their events. */
let serial = 1e9;
let store: Storage;
export let items: Item[] = [];

export const openQueue = (writeKey: string, size: number): void => {
  prefix = `sp_q.${writeKey}.`;
  own = prefix + uuid();
  if (size > 0) max = size;
};

/** From now on events survive the page; before consent they must not be stored. */
export const persist = (): void => {
  store = (webStorage(LOCAL) || webStorage(SESSION))!;
  items.forEach(keep);
  adopt();
};

const keep = (item: Item): void => {
  const key = own + '.' + serial++;
  item.key = attempt(() => (store.setItem(key, item.text), key));
};

export const enqueue = (text: string, isRecovered = false): void => {
  const item: Item = { text, type: text.slice(9), isRecovered };
  keep(item);
  settle(push(items, item, max));
};

/** Forgets events that are delivered, refused or too many. */
export const settle = (done: Item[]): void => {
  items = items.filter((item) => !done.includes(item));
  for (const { key } of done) attempt(() => key && store.removeItem(key));
  beat(ALIVE_MS);
};

/** Says that this tab looks after its events, for so long. */
const beat = (aliveMs: number): void => {
  attempt(() => (items[0] && aliveMs ? store.setItem(own, String(now() + aliveMs)) : store.removeItem(own)));
};

/** The page goes away: others may take over, at once unless a request is still under way. */
export const leave = (): void => beat(items.some((item) => item.isSending) ? LEFT_MS : 0);

/** Says that this tab is alive, and takes over what tabs that are gone left behind. */
export const adopt = (): void => {
  beat(ALIVE_MS);
  attempt(() => {
    for (const key of keys(store).sort()) {
      const owner = key.slice(0, own.length);
      const leftMs = +store.getItem(owner)! - now();
      // The write key of another source may begin alike: then something else follows. More time is left only where the clock was ahead.
      if (key.startsWith(prefix) && /^(\.\d+)?$/.test(key.slice(own.length)) && owner !== own && !(leftMs > 0 && leftMs <= ALIVE_MS)) {
        const text = store.getItem(key);
        store.removeItem(key);
        // Neither a sign of life nor what another tab took in this moment.
        if (/{/.test(text!)) enqueue(text!, true);
      }
    }
  });
};

/** Back from the back/forward cache: what another tab took over meanwhile is no longer ours. */
export const comeBack = (): void => {
  items = items.filter((item) => ((item.isSending = false), !item.key || store.getItem(item.key)));
};
