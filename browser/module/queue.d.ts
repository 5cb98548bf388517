/**
 * Events that are not yet confirmed by the server: in memory, and as one storage key each.
 *
 * A key per event lets tabs share the store without overwriting each other: adding is one write, settling one removal. Keys are
 * `sp_q.<write key>:<tab>.<number>`; no write key has a colon in it. While a tab has events it says until when it is alive under `sp_q.<write key>:<tab>`; the
 * events of a tab that is gone are taken over by any other. Two tabs that do so at once send an event twice, which the server
 * removes by `messageId`; losing one would be worse.
 */
export interface Item {
    /** The event as JSON. */
    text: string;
    /** What follows `{"type":"` in it. */
    type: string;
    /** Its storage key; missing where the store did not take it, and it lives in memory only. */
    key?: string | undefined;
    /** Whether another tab or page left it behind. */
    isRecovered: boolean;
    /** Whether a request with it is under way. */
    isSending?: boolean;
}
export declare let items: Item[];
export declare const openQueue: (writeKey: string, size: number) => void;
/** From now on events survive the page; before consent they must not be stored. */
export declare const persist: () => void;
export declare const enqueue: (text: string, isRecovered?: boolean) => void;
/** Forgets events that are delivered, refused or too many. */
export declare const settle: (done: Item[]) => void;
/** The page goes away: others may take over, at once unless a request is still under way. */
export declare const leave: () => void;
/** Says that this tab is alive, and takes over what tabs that are gone left behind. */
export declare const adopt: () => void;
/** Back from the back/forward cache: what another tab took over meanwhile is no longer ours. */
export declare const comeBack: () => void;
