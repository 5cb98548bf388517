/**
 * Pendo in the page: loads or joins Pendo's agent, keeps it told who is there, and hands it the events (contract, 10.3).
 *
 * One integration for RudderStack's SDKs (through bundle.ts) and for ours. It follows the messages in their order and
 * keeps one state: the user, their traits, their account. Only when that differs from what the agent was given last, it makes one
 * `pendo.identify` with both parts in full; the agent forgets what is left out.
 */
import { type Dict } from '../util';
/** What the integration needs of the SDK: the getters. */
export interface Analytics extends Dict {
    getUserId(): string;
    getUserTraits(): Dict;
    getGroupId(): string;
    getGroupTraits(): Dict;
    getAnonymousId(): string;
}
/** Where the page tells the server about the agent: `POST <base>/lib/health?writeKey=`. */
export type Home = [base: string, writeKey: string];
export interface Parcel {
    /** The message's. */
    type: string;
    message: Dict;
    /** The traits that a group call itself brought, where the SDK knows them. */
    own?: Dict | undefined;
}
export declare const createPendo: (config: Dict, analytics: Analytics, id: string, [base, writeKey]: Home) => Dict;
