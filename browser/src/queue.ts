/**
 * Events that are not yet confirmed by the server: in memory, and as one storage key each.
 *
 * A key per event lets tabs share the store without overwriting each other: adding is one write, settling one removal. Keys are
 * `sp_q.<write key>.<tab>.<number>`. While a tab has events it says until when it is alive under `sp_q.<write key>.<tab>`; the
 * events of a tab that is gone are taken over by any other. Two tabs that do so at once send an event twice, which the server
 * removes by `messageId`; losing one would be worse.
 */

import { warn } from './log';
import { webStorage } from './storage';
import { attempt, now, uuid } from './util';

export interface Item {
  /** Its storage key. */
  key: string;
  /** The event as JSON; begins with its type. */
  text: string;
  /** Whether the store took it: with a full one it lives in memory only. */
  stored: boolean;
  /** Whether another tab or page left it behind. */
  recovered: boolean;
  /** Whether a request with it is under way. */
  sending: boolean;
}

const ALIVE_MS = 10000;
/** How long a request of a page that was left may still be under way. */
const LEFT_MS = 3000;

let tab = '';
let prefix = '';
let size = 0;
let serial = 0;
let store: Storage | undefined;
let items: Item[] = [];

export const queued = (): Item[] => items;

export const openQueue = (writeKey: string, max: number): void => {
  tab = uuid();
  prefix = `sp_q.${writeKey}.`;
  size = max;
};

/** From now on events survive the page; before consent they must not be stored. */
export const persist = (): void => {
  store = webStorage('localStorage') || webStorage('sessionStorage');
  for (const item of items) keep(item);
  adopt();
};

const keep = (item: Item): void => {
  if (store) item.stored = !!attempt(() => (store!.setItem(item.key, item.text), true));
};

export const enqueue = (text: string, recovered = false): void => {
  const item = { key: prefix + tab + '.' + serial++, text, stored: false, recovered, sending: false };
  keep(item);
  items.push(item);
  while (items.length > size) {
    // Tracks and pages give way first, the oldest before the newer: who a person is matters more.
    const idle = items.filter((one) => !one.sending);
    const victim = idle.find((one) => /^{"type":"(track|page)/.test(one.text)) || idle[0];
    if (!victim) break;
    warn('the queue is full; an event was dropped');
    settle([victim]);
  }
  beat();
};

/** Forgets events that are delivered or refused. */
export const settle = (done: Item[]): void => {
  items = items.filter((item) => !done.includes(item));
  for (const item of done) attempt(() => store!.removeItem(item.key));
  beat();
};

/** Says that this tab looks after its events. */
export const beat = (aliveMs = ALIVE_MS): void => {
  attempt(() =>
    items.length && aliveMs ? store!.setItem(prefix + tab, String(now() + aliveMs)) : store!.removeItem(prefix + tab),
  );
};

/** The page goes away: others may take over, at once unless a request is still under way. */
export const leave = (): void => beat(items.some((item) => item.sending) ? LEFT_MS : 0);

/** Takes over what tabs that are gone left behind. */
export const adopt = (): void => {
  attempt(() => {
    const keys = Object.keys(store!).filter((key) => key.startsWith(prefix));
    const parts = keys.map((key) => key.slice(prefix.length).split('.'));
    parts.sort((left, right) => +left[1]! - +right[1]!);
    for (const [owner, number] of parts) {
      if (owner === tab || +store!.getItem(prefix + owner)! > now()) continue;
      const key = prefix + owner + (number ? '.' + number : '');
      const text = store!.getItem(key);
      store!.removeItem(key);
      if (number && text) enqueue(text, true);
    }
  });
};

/** Back from the back/forward cache: what another tab took over meanwhile is no longer ours. */
export const comeBack = (): void => {
  items = items.filter((item) => !item.stored || attempt(() => store!.getItem(item.key)) !== null);
  for (const item of items) item.sending = false;
  beat();
};
