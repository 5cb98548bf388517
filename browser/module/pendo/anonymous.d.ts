/**
 * The visitor id of somebody unknown: the agent's prefix and the anonymousId, as the server builds it too.
 *
 * Pendo merges an anonymous visitor into the first user that follows. So an anonymousId is given to the agent until it became a
 * user, and never again: whoever comes after `reset()` gets a fresh id, or their events would join the history of the one before.
 */
import { type Dict } from '../util';
export declare const PREFIX = "_PENDO_T_";
/** The anonymousId that became a user, the fresh visitor id that stands for it since, the account and its own traits. */
type Memory = [used: string, fresh: string, group: string, traits: Dict];
export declare const recall: () => Memory;
export declare const remember: (change: Partial<Memory>) => void;
export declare const anonymousVisitor: (anonymousId: string) => string;
export {};
