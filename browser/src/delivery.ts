/**
 * Sends queued events to the data plane: batches, one request at a time, in order, with retries for as long as it takes.
 *
 * When the page is hidden or left, all that waits leaves at once by `fetch` with keepalive, by beacon where that fails. An event
 * stays in the queue until an answer or a beacon confirmed it.
 */

import { ERROR, log } from './log';
import { adopt, comeBack, leave, queued, settle, type Item } from './queue';
import { attempt, base64, iso, now, on, parse, request, type Dict } from './util';

/** Browsers refuse more than 64 KB in requests that outlive the page. */
const KEEPALIVE_BYTES = 60000;
const TIMEOUT_MS = 30000;
const LOOK_MS = 3000;
const WAIT_MS_MAX = 3600000;

let url = '';
let writeKey = '';
let retry: Dict = {};
let batchMax = 100;
let batchBytes = KEEPALIVE_BYTES;

let isOpen = false;
let isBusy = false;
let timer: any;
/** Failed requests in a row. */
let failures = 0;
let firstFailure = 0;
let lastFailure = 0;
let reason = '';

export const basicAuth = (key: string): string => 'Basic ' + btoa(key + ':');

export const openDelivery = (dataPlaneUrl: string, key: string, options: Dict): void => {
  url = dataPlaneUrl;
  writeKey = key;
  retry = options;
  batchMax = options.batch.maxItems || batchMax;
  batchBytes = Math.min(options.batch.maxSize || batchBytes, batchBytes);
  on(document, 'visibilitychange', () => document.visibilityState === 'hidden' && flush());
  on(window, 'pagehide', () => {
    flush();
    leave();
  });
  on(window, 'pageshow', (event) => {
    if (event.persisted) {
      comeBack();
      isBusy = false;
      wake(0);
    }
  });
  on(window, 'online', () => wake(0));
  setInterval(() => {
    adopt();
    send();
  }, LOOK_MS);
};

/** Events may leave from now on. Said again it changes nothing: a wait for a retry is not to be cut short. */
export const startDelivery = (): void => {
  if (!isOpen) wake(0);
  isOpen = true;
};

/** A new event: calls of one tick travel together. */
export const nudge = (): void => {
  if (!timer) wake(0);
};

const wake = (afterMs: number): void => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = 0;
    send();
  }, afterMs);
};

const send = async (): Promise<void> => {
  // While a timer runs, it is its turn: the time until a retry is not to be cut short.
  if (!isOpen || isBusy || timer) return;
  const batch = nextBatch();
  if (!batch[0]) return;
  isBusy = true;
  await post(batch);
  isBusy = false;
  nudge();
};

const flush = (): void => {
  for (let batch; (batch = nextBatch())[0]; ) post(batch, true);
};

const bytesOf = (text: string): number => new Blob([text]).size;

/** The first events that are not under way, marked as being so. */
const nextBatch = (): Item[] => {
  const batch: Item[] = [];
  let bytes = 0;
  for (const item of queued()) {
    if (item.isSending) continue;
    bytes += bytesOf(item.text) + 50;
    if (batch[0] && (batch.length >= batchMax || bytes > batchBytes || batch[0].isRecovered !== item.isRecovered)) break;
    batch.push(item);
  }
  for (const item of batch) item.isSending = true;
  return batch;
};

const post = async (batch: Item[], isLeaving?: boolean): Promise<void> => {
  const first = batch[0]!;
  const sentAt = iso();
  const events = batch.map((item) => item.text.slice(0, -1) + `,"sentAt":"${sentAt}"}`);
  const body = `{"batch":[${events}],"sentAt":"${sentAt}"}`;
  const headers: Dict = {
    Accept: 'application/json',
    'Content-Type': 'application/json;charset=UTF-8',
    Authorization: basicAuth(writeKey),
    AnonymousId: attempt(() => base64(parse(first.text).anonymousId)) || '',
    SentAt: sentAt,
  };
  if (failures) {
    headers['Rsa-Retry-Attempt'] = failures;
    headers['Rsa-Retry-Reason'] = reason;
    headers['Rsa-Since-Last-Attempt'] = now() - lastFailure;
    headers['Rsa-Since-First-Attempt'] = now() - firstFailure;
  }
  if (first.isRecovered) headers['Rsa-Recovered'] = true;
  let status = 0;
  let waitMs = 0;
  let cause = 'client-network';
  try {
    const keepalive = bytesOf(body) < KEEPALIVE_BYTES + 4000;
    const answer = await request(url + '/v1/batch', { method: 'POST', headers, body, keepalive }, TIMEOUT_MS);
    status = answer.status;
    cause = 'server-' + status;
    // Seconds or a date.
    const after: any = answer.headers.get('Retry-After') || 0;
    waitMs = after >= 0 ? after * 1000 : Date.parse(after) - now();
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') cause = 'client-timeout';
    const beacon = `${url}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`;
    if (isLeaving && attempt(() => navigator.sendBeacon(beacon, body))) status = 200;
  }
  for (const item of batch) item.isSending = false;
  if (!status || status > 499 || status === 408 || status === 429) {
    lastFailure = now();
    if (!failures++) firstFailure = lastFailure;
    reason = cause;
    const backoffMs = Math.min(retry.minRetryDelay * retry.backoffFactor ** failures, retry.maxRetryDelay);
    // Pages that failed together must not come back together.
    wake(Math.max(Math.min(waitMs, WAIT_MS_MAX) || 0, backoffMs * (1 - Math.random() * retry.backoffJitter)));
  } else if (batch[1] && (status === 413 || status === 400)) {
    // Too much, or one event among them is bad: smaller batches find out.
    batchMax = batch.length >> 1;
  } else {
    if (status > 399) log(ERROR, 'events refused:', status);
    failures = 0;
    settle(batch);
  }
};
