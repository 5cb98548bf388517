/** What an event says about the page and the browser. Read at each event: single-page apps change the address without loading. */
import { type Dict } from './util';
/** Set once, at the first page that is seen, and kept through `reset`. */
export declare const initialReferrer: () => [string, string];
export declare const pageProperties: () => Dict;
/** The part of the context that the browser alone decides. `page`: given page properties win over the page's own. */
export declare const browserContext: (properties: Dict) => Dict;
/** User agent client hints, handed to `take` now or later. */
export declare const readHints: (level: unknown, take: (hints: unknown) => void) => void;
