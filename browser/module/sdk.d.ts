/** The SDK's object: RudderStack's calls, and the order in which things happen after `load`. */
import type { Install } from './more';
import { type Dict } from './util';
/** `origin`: where our own script came from, the server that answers by default. `more`: the second file's address, or what is in it. */
export declare const createSdk: (origin: string, installType: 'cdn' | 'npm', more: string | Install) => Dict;
