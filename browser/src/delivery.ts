/**
 * Sends queued events to the data plane: batches, one request at a time, in order, with retries for as long as it takes.
 *
 * When the page is hidden or left, all that waits leaves at once by `fetch` with keepalive, by beacon where that fails. An event
 * stays in the queue until an answer confirmed it: that a beacon was taken says nothing of its arrival.
 */

import { log } from './log';
import { adopt, comeBack, leave, items, settle, type Item } from './queue';
import { assign, attempt, base64, iso, now, on, parse, request, type Dict } from './util';

/** Browsers refuse more than 64 KB in requests that outlive the page. */
const KEEPALIVE_BYTES = 60000;
const LOOK_MS = 3000;
const WAIT_MS_MAX = 3600000;
const WAIT_MS = 1000;

let url = '';
let writeKey = '';
let backoffMs: () => number;
let batchLimit = 100;
/** Fewer after a refusal. */
let batchMax: number;
let batchBytes = KEEPALIVE_BYTES;

let isOpen = false;
let isBusy = false;
/** Requests whose end is not known. */
let underWay = 0;
let timer: any;
/** Failed requests in a row. */
let failures = 0;
let firstFailure = 0;
let lastFailure = 0;
let reason = '';

export const basicAuth = (key: string): string => 'Basic ' + btoa(key + ':');

export const openDelivery = (
  dataPlaneUrl: string,
  key: string,
  { minRetryDelay = 1000, maxRetryDelay = 360000, backoffFactor = 2, backoffJitter = 0.5, batch = {} }: Dict,
): void => {
  url = dataPlaneUrl;
  writeKey = key;
  // Pages that failed together must not come back together.
  backoffMs = () => Math.min(minRetryDelay * backoffFactor ** failures, maxRetryDelay) * (1 - Math.random() * backoffJitter);
  batchMax = batchLimit = batch.maxItems || batchLimit;
  batchBytes = Math.min(batch.maxSize || batchBytes, batchBytes);
  on(document, 'visibilitychange', () => document.hidden && flush());
  on(window, 'pagehide', () => {
    flush();
    leave();
  });
  on(window, 'pageshow', (event) => {
    if (event.persisted) {
      comeBack();
      isBusy = false;
      wake();
    }
  });
  on(window, 'online', () => wake());
  setInterval(() => {
    adopt();
    nudge();
  }, LOOK_MS);
};

/** Events may leave from now on. Said again it changes nothing: a wait for a retry is not to be cut short. */
export const startDelivery = (): void => {
  if (!isOpen) wake();
  isOpen = true;
};

/** A new event: calls of one tick travel together. While a timer runs, it is its turn: a wait until a retry is not cut short. */
export const nudge = (): void => {
  if (!timer) wake();
};

const wake = (afterMs?: number): void => {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    timer = 0;
    if (!isOpen || isBusy) return;
    const batch = nextBatch();
    if (!batch[0]) return;
    isBusy = true;
    await post(batch);
    isBusy = false;
    nudge();
  }, afterMs);
};

const flush = (): void => {
  for (let batch; (batch = nextBatch())[0]; ) post(batch, true);
};

const bytesOf = (text: string): number => new Blob([text]).size;

/** The first events that are not under way, marked as being so. */
const nextBatch = (): Item[] => {
  const batch: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    if (item.isSending) continue;
    bytes += bytesOf(item.text) + 50;
    if (batch[0] && (batch.length >= batchMax || bytes > batchBytes || batch[0].isRecovered !== item.isRecovered)) break;
    batch.push(item);
    item.isSending = true;
  }
  return batch;
};

const post = async (batch: Item[], isLeaving?: boolean): Promise<void> => {
  const [{ text, isRecovered }] = batch as [Item];
  const SentAt = iso();
  const end = `,"sentAt":"${SentAt}"}`;
  const body = `{"batch":[${batch.map((item) => item.text.slice(0, -1) + end)}]` + end;
  const headers: Dict = {
    Accept: 'application/json',
    'Content-Type': 'application/json;charset=UTF-8',
    Authorization: basicAuth(writeKey),
    AnonymousId: attempt(() => base64(parse(text).anonymousId)) || '',
    SentAt,
  };
  if (failures) {
    assign(headers, {
      'Rsa-Retry-Attempt': failures,
      'Rsa-Retry-Reason': reason,
      'Rsa-Since-Last-Attempt': now() - lastFailure,
      'Rsa-Since-First-Attempt': now() - firstFailure,
    });
  }
  if (isRecovered) headers['Rsa-Recovered'] = true;
  // What leaves as the page is hidden and what comes next may overtake each other.
  if (!underWay++) headers['Sternpost-In-Order'] = true;
  let status = 0;
  let waitMs = 0;
  let cause = 'client-network';
  try {
    const answer = await request(url + '/v1/batch', { method: 'POST', headers, body, keepalive: bytesOf(body) < KEEPALIVE_BYTES + 4000 });
    status = answer.status;
    cause = 'server-' + status;
    // Seconds or a date.
    const after: any = answer.headers.get('Retry-After') || 0;
    waitMs = after >= 0 ? after * 1000 : Date.parse(after) - now();
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') cause = 'client-timeout';
    if (isLeaving) attempt(() => navigator.sendBeacon(`${url}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`, body));
  }
  underWay--;
  for (const item of batch) item.isSending = false;
  if (!status || status > 499 || status === 408 || status === 429) {
    lastFailure = now();
    if (!failures++) firstFailure = lastFailure;
    reason = cause;
    // Options may be anything.
    wake(Math.min(Math.max(waitMs || 0, backoffMs()), WAIT_MS_MAX) || WAIT_MS);
  } else if (batch[1] && (status === 413 || status === 400)) {
    // Too much, or one event among them is bad: smaller batches find out.
    batchMax = batch.length >> 1;
  } else {
    if (status > 399) log('refused:', status);
    failures = 0;
    batchMax = Math.min(batchMax * 2, batchLimit);
    settle(batch);
  }
};
