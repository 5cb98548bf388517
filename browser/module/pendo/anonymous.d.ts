/**
 * The visitor id of somebody unknown: the agent's prefix and the anonymousId, as the server builds it too.
 *
 * Pendo merges an anonymous visitor into the first user that follows. So an anonymousId is given to the agent until it became a
 * user, and never again: whoever comes after `reset()` gets a fresh id, or their events would join the history of the one before.
 */
export declare const PREFIX = "_PENDO_T_";
export declare const recall: () => any[];
/** Holes in `change` stay as they are. */
export declare const remember: (change: any[]) => void;
export declare const anonymousVisitor: (anonymousId: string) => string;
