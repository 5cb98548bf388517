/** From a call to the event that is sent (contract, sections 3 and 4). */
import { type Dict } from './util';
export type EventType = 'identify' | 'track' | 'page' | 'group' | 'alias';
export declare const app: Dict;
/** The parts of each event's context that belong to the page view. */
export declare const view: Dict;
export declare const customContext: () => Dict;
export declare const clearCustomContext: () => void;
/** `null` removes a key. */
export declare const setCustomContext: (given: unknown) => void;
/** Tells the overloads apart as RudderStack's SDK does, keeps who is named, and makes the event; `own` are the traits that the call itself brought. */
export declare const readCall: (type: EventType, given: unknown[]) => [message: Dict, own: Dict];
