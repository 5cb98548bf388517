/** From a call to the event that is sent (contract, section 4). */
import type { Call } from './calls';
import { type Dict } from './util';
export declare const NAME = "RudderLabs JavaScript SDK";
/** What is the same for all events of a page view. */
export interface Settings {
    version: string;
    installType: 'cdn' | 'npm';
    integrations?: Dict | undefined;
    hints?: unknown;
    /** Nothing may be stored at all. */
    trulyAnonymous?: boolean;
    autoTrack?: Dict | undefined;
}
export declare const customContext: () => Dict;
export declare const clearCustomContext: () => void;
export declare const setCustomContext: (given: unknown) => void;
export declare const buildMessage: (call: Call, session: Dict, settings: Settings, consent: Dict | undefined) => Dict;
