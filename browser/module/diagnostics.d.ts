/** Warnings for developers: about what a page does that is allowed and hardly meant. */
import type { Kit } from './more';
import { type Dict } from './util';
export declare const checkOptions: ({ sessions, storage, integrations, useServerSideCookies }: Dict, names: string[]) => void;
/** Looks at what passes, and lets it pass. */
export declare const watchCalls: ([, commands, shared, , , , , , , , source]: Kit) => void;
