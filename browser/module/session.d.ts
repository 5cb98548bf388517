/** Sessions: automatic ones expire without events, manual ones last until `endSession`. */
import { type Dict } from './util';
/** Settles the page's wishes with what is stored. */
export declare const openSession: ({ autoTrack, timeout }?: Dict) => void;
/** For each event: the session it belongs to, with `sessionStart` on the first one. */
export declare const touchSession: () => Dict;
export declare const resetSession: () => void;
export declare const sessionId: () => number | null;
