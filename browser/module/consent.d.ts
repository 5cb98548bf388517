/** Consent: which categories a person allowed, and whether that is enough for a destination (contract 9.3). */
import { type Dict } from './util';
/** Takes the options of `load`, or of `consent()`, where the provider stays. */
export declare const setConsent: (options: Dict | undefined, first: boolean) => void;
/** Asks the provider, where the page gave no ids itself. */
export declare const askProvider: () => void;
export declare const consentEnabled: () => boolean;
export declare const consentKnown: () => boolean;
export declare const setStrategies: (metadata: any) => void;
/** The event's `context.consentManagement`. */
export declare const consentContext: () => Dict | undefined;
export declare const isConsented: (config: Dict) => boolean;
