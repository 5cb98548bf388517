/**
 * Sends queued events to the data plane: batches, one request at a time, in order, with retries for as long as it takes.
 *
 * When the page is hidden or left, all that waits leaves at once by `fetch` with keepalive, by beacon where that fails. An event
 * stays in the queue until an answer or a beacon confirmed it.
 */

import { error, warn } from './log';
import { adopt, beat, comeBack, leave, queued, settle, type Item } from './queue';
import { attempt, base64, iso, now, on, type Dict } from './util';

/** Browsers refuse more in requests that outlive the page. */
const KEEPALIVE_BYTES = 60000;
const TIMEOUT_MS = 30000;
const LOOK_MS = 3000;
const WAIT_MS_MAX = 3600000;

let url = '';
let authorization = '';
let writeKey = '';
let retry: Dict = {};
let batchMax = 100;
let batchBytes = KEEPALIVE_BYTES;

let open = false;
let busy = false;
let timer: any;
/** Failed requests in a row. */
let failures = 0;
let firstFailure = 0;
let lastFailure = 0;
let reason = '';

export const openDelivery = (dataPlaneUrl: string, key: string, options: Dict): void => {
  url = dataPlaneUrl;
  writeKey = key;
  authorization = 'Basic ' + btoa(key + ':');
  retry = options;
  const batch = options.batch || {};
  batchMax = batch.maxItems > 0 ? batch.maxItems : batchMax;
  batchBytes = Math.min(batch.maxSize > 0 ? batch.maxSize : batchBytes, batchBytes);
  on(document, 'visibilitychange', () => document.visibilityState === 'hidden' && flush());
  on(window, 'pagehide', () => {
    flush();
    leave();
  });
  on(window, 'pageshow', (event) => {
    if (event.persisted) {
      comeBack();
      busy = false;
      wake();
    }
  });
  on(window, 'online', () => wake());
  setInterval(() => {
    if (queued().length) beat();
    adopt();
    send();
  }, LOOK_MS);
};

/** Events may leave from now on. */
export const startDelivery = (): void => {
  open = true;
  wake();
};

/** The source is disabled: nothing leaves, nothing is kept. */
export const stopDelivery = (): void => {
  open = false;
  settle(queued());
};

/** A new event: calls of one tick travel together. */
export const nudge = (): void => {
  if (!timer) wake();
};

const wake = (afterMs = 0): void => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = 0;
    send();
  }, afterMs);
};

const send = (): void => {
  // While a timer runs, it is its turn: the time until a retry is not to be cut short.
  if (!open || busy || timer) return;
  const batch = nextBatch();
  if (!batch.length) return;
  busy = true;
  post(batch).then(() => {
    busy = false;
    nudge();
  });
};

const flush = (): void => {
  for (let batch = nextBatch(); batch.length; batch = nextBatch()) post(batch, true);
};

/** The first events that are not under way, marked as being so. */
const nextBatch = (): Item[] => {
  const batch: Item[] = [];
  let bytes = 50;
  for (const item of queued()) {
    if (item.sending) continue;
    bytes += new Blob([item.text]).size + 50;
    const first = batch[0];
    if (first && (batch.length >= batchMax || bytes > batchBytes || first.recovered !== item.recovered)) break;
    batch.push(item);
  }
  for (const item of batch) item.sending = true;
  return batch;
};

const post = (batch: Item[], leaving?: boolean): Promise<void> => {
  const sentAt = iso();
  const events = batch.map((item) => item.text.slice(0, -1) + `,"sentAt":"${sentAt}"}`);
  const body = `{"batch":[${events}],"sentAt":"${sentAt}"}`;
  const headers: Dict = {
    Accept: 'application/json',
    'Content-Type': 'application/json;charset=UTF-8',
    Authorization: authorization,
    AnonymousId: base64(JSON.parse(batch[0]!.text).anonymousId),
    SentAt: sentAt,
  };
  if (failures) {
    headers['Rsa-Retry-Attempt'] = failures;
    headers['Rsa-Retry-Reason'] = reason;
    headers['Rsa-Since-Last-Attempt'] = now() - lastFailure;
    headers['Rsa-Since-First-Attempt'] = now() - firstFailure;
  }
  if (batch[0]!.recovered) headers['Rsa-Recovered'] = true;
  const stop = new AbortController();
  const clock = setTimeout(() => stop.abort(), TIMEOUT_MS);
  const keepalive = new Blob([body]).size < KEEPALIVE_BYTES + 4000;
  return (attempt(() => fetch(url + '/v1/batch', { method: 'POST', headers, body, keepalive, signal: stop.signal })) || Promise.reject())
    .then(
      (answer) => conclude(batch, answer.status, answer.headers.get('Retry-After')),
      () => {
        const beacon = `${url}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`;
        if (leaving && attempt(() => navigator.sendBeacon(beacon, body))) settle(batch);
        else conclude(batch, stop.signal.aborted ? -1 : 0, null);
      },
    )
    .then(() => clearTimeout(clock));
};

/** What an answer means; status 0: no connection, -1: no answer in time. */
const conclude = (batch: Item[], status: number, retryAfter: string | null): void => {
  for (const item of batch) item.sending = false;
  if (status > 0 && status < 400) {
    failures = 0;
    settle(batch);
  } else if (status < 1 || status === 408 || status === 429 || status > 499) {
    lastFailure = now();
    if (!failures++) firstFailure = lastFailure;
    reason = status > 0 ? 'server-' + status : status ? 'client-timeout' : 'client-network';
    wake(Math.max(waitMs(retryAfter), backoffMs()));
  } else if (batch.length > 1 && (status === 413 || status === 400)) {
    // Too much, or one event among them is bad: smaller batches find out.
    batchMax = batch.length >> 1;
  } else {
    error('the server refused events with status ' + status);
    settle(batch);
  }
};

const backoffMs = (): number => {
  const { minRetryDelay, backoffFactor, maxRetryDelay, backoffJitter } = retry;
  const full = Math.min(minRetryDelay * Math.pow(backoffFactor, failures), maxRetryDelay);
  // Pages that failed together must not come back together.
  return full * (1 - Math.random() * (backoffJitter || 0.5));
};

/** `Retry-After` in both its forms. */
const waitMs = (header: string | null): number => {
  if (!header) return 0;
  const ms = +header >= 0 ? +header * 1000 : Date.parse(header) - now();
  if (!(ms > 0)) return 0;
  warn('the server asks to wait');
  return Math.min(ms, WAIT_MS_MAX);
};
