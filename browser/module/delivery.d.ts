/**
 * Sends queued events to the data plane: batches, one request at a time, in order, with retries for as long as it takes.
 *
 * When the page is hidden or left, all that waits leaves at once by `fetch` with keepalive, by beacon where that fails. An event
 * stays in the queue until an answer or a beacon confirmed it.
 */
import { type Dict } from './util';
export declare const basicAuth: (key: string) => string;
export declare const openDelivery: (dataPlaneUrl: string, key: string, { minRetryDelay, maxRetryDelay, backoffFactor, backoffJitter, batch }: Dict) => void;
/** Events may leave from now on. Said again it changes nothing: a wait for a retry is not to be cut short. */
export declare const startDelivery: () => void;
/** A new event: calls of one tick travel together. While a timer runs, it is its turn: a wait until a retry is not cut short. */
export declare const nudge: () => void;
