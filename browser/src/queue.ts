/**
 * Events that are not yet confirmed by the server: in memory, and as one storage key each.
 *
 * A key per event lets tabs share the store without overwriting each other: adding is one write, settling one removal. Keys are
 * `sp_q.<write key>.<tab>.<number>`. While a tab has events it says until when it is alive under `sp_q.<write key>.<tab>`; the
 * events of a tab that is gone are taken over by any other. Two tabs that do so at once send an event twice, which the server
 * removes by `messageId`; losing one would be worse.
 */

import { webStorage } from './storage';
import { attempt, keys, now, pushBounded, uuid } from './util';

export interface Item {
  /** Its storage key. */
  key: string;
  /** The event as JSON; begins with its type. */
  text: string;
  /** Whether the store took it: with a full one it lives in memory only. */
  isStored?: boolean;
  /** Whether another tab or page left it behind. */
  isRecovered: boolean;
  /** Whether a request with it is under way. */
  isSending?: boolean;
}

const ALIVE_MS = 10000;
/** How long a request of a page that was left may still be under way. */
const LEFT_MS = 3000;

const tab = uuid();
let prefix = '';
let max = 0;
let serial = 0;
let store: Storage;
let items: Item[] = [];

export const queued = (): Item[] => items;

export const openQueue = (writeKey: string, size: number): void => {
  prefix = `sp_q.${writeKey}.`;
  max = size;
};

/** From now on events survive the page; before consent they must not be stored. */
export const persist = (): void => {
  store = (webStorage('localStorage') || webStorage('sessionStorage'))!;
  items.forEach(keep);
  adopt();
};

const keep = (item: Item): void => {
  item.isStored = attempt(() => (store.setItem(item.key, item.text), true))!;
};

export const enqueue = (text: string, isRecovered = false): void => {
  const item: Item = { key: prefix + tab + '.' + serial++, text, isRecovered };
  keep(item);
  const before = items.concat(item);
  pushBounded(items, item, max, (one) => (one.isSending ? '' : one.text.slice(9)));
  settle(before.filter((one) => !items.includes(one)));
};

/** Forgets events that are delivered or refused. */
export const settle = (done: Item[]): void => {
  items = items.filter((item) => !done.includes(item));
  for (const item of done) attempt(() => store.removeItem(item.key));
  beat(ALIVE_MS);
};

/** Says that this tab looks after its events, for so long. */
const beat = (aliveMs: number): void => {
  attempt(() =>
    items.length && aliveMs ? store.setItem(prefix + tab, String(now() + aliveMs)) : store.removeItem(prefix + tab),
  );
};

/** The page goes away: others may take over, at once unless a request is still under way. */
export const leave = (): void => beat(items.some((item) => item.isSending) ? LEFT_MS : 0);

/** Says that this tab is alive, and takes over what tabs that are gone left behind. */
export const adopt = (): void => {
  beat(ALIVE_MS);
  attempt(() => {
    keys(store)
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length).split('.'))
      .sort((left, right) => +left[1]! - +right[1]!)
      .forEach(([owner, number]) => {
        if (owner === tab || +store.getItem(prefix + owner)! > now()) return;
        const key = prefix + owner + (number ? '.' + number : '');
        const text = store.getItem(key);
        store.removeItem(key);
        if (number && text) enqueue(text, true);
      });
  });
};

/** Back from the back/forward cache: what another tab took over meanwhile is no longer ours. */
export const comeBack = (): void => {
  items = items.filter((item) => !item.isStored || store.getItem(item.key));
  for (const item of items) item.isSending = false;
};
