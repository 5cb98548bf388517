/** From a call to the event that is sent (contract, sections 3 and 4). */
import { type Dict } from './util';
export type EventType = 'identify' | 'track' | 'page' | 'group' | 'alias';
export declare const app: Dict;
/** Merges what a page gives into a context; reserved names and those that reach a prototype are refused. */
export declare const mergeContext: (context: Dict, given: unknown) => Dict;
/** Tells the overloads apart as RudderStack's SDK does, keeps who is named, and makes the event of values that are its own; `own` are the traits that the call itself brought. */
export declare const readCall: (type: EventType, given: unknown[], originalTimestamp: string, details: Dict) => [message: Dict, own: Dict];
