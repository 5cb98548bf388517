/** From a call to the event that is sent (contract, section 4). */
import type { Call } from './calls';
import { type Dict } from './util';
export declare const customContext: () => Dict;
export declare const clearCustomContext: () => void;
/** `null` removes a key. */
export declare const setCustomContext: (given: unknown) => void;
/** `extra`: the parts of the context that belong to the page view. */
export declare const buildMessage: ({ type, message: own, id, traits, options }: Call, session: Dict, installType: string, extra: Dict) => Dict;
