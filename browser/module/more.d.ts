/**
 * What only some pages ask for, by an option of `load` or by a rare call: the second file.
 *
 * It has no state of the first file in it, and gets what it needs as one list, so that no names have to agree.
 */
import type { shared as Shared } from './shared';
import { type Entry } from './storage';
import { type Dict } from './util';
type Command = (given: any[], at: [originalTimestamp: string, page: Dict]) => void;
/** What the first file hands over. */
export type Kit = [
    sdk: Dict,
    commands: Record<string, Command>,
    shared: typeof Shared,
    view: Dict,
    write: (entry: Entry, value?: any) => void,
    readCookie: (name: string) => string | undefined,
    openIdentity: () => void,
    persist: () => void,
    loadDevices: () => void,
    forgetWaiting: () => void,
    source: () => [writeKey: string, config: Dict | undefined]
];
export type Install = (kit: Kit) => void;
export declare const install: Install;
export {};
