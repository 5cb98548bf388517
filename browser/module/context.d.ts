/** What an event says about the page and the browser. Read at each call: single-page apps change the address without loading. */
import { type Dict } from './util';
export declare const hostOf: (url: string) => string;
export declare const referrer: () => string;
export declare const pageProperties: () => Dict;
/** What the page's address carries under a prefix. */
export declare const queryValues: (prefix: string) => Dict;
/** The part of the context that the browser alone decides. */
export declare const browserContext: () => Dict;
