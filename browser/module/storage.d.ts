/**
 * Where identity is kept: the cookies and storage keys of RudderStack's SDK, byte for byte, so that a site can move here and back.
 *
 * Each entry is read through, cookies once a task: what another tab wrote is seen before the next event. What a store refuses (quota, denied access,
 * a cookie above 4 KB) stays in memory for this page view.
 */
import { type Dict } from './util';
/** The first six are what `reset` forgets without being told, the seventh what `reset(true)` forgets, too. */
declare const KEYS: {
    userId: string;
    userTraits: string;
    groupId: string;
    groupTraits: string;
    sessionInfo: string;
    authToken: string;
    anonymousId: string;
    initialReferrer: string;
    initialReferringDomain: string;
};
export type Entry = keyof typeof KEYS;
export declare const ENTRIES: Entry[];
export declare const LOCAL = 1;
export declare const SESSION = 2;
export declare const readCookie: (name: string) => string | undefined;
/** The browser's own store, or undefined where access is denied. */
export declare const webStorage: (type: number) => Storage | undefined;
/** Chooses the store of each entry. `type` names the wish; what this page view already knows is carried over. */
export declare const openStorage: (options: Dict, type: (entry: Entry) => string) => void;
export declare const read: (entry: Entry) => any;
export declare const write: (entry: Entry, value?: any) => void;
export {};
