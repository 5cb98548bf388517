/** Consent: which categories a person allowed, and whether that is enough for a destination (contract 9.3). */
import { type Dict } from './util';
/** Takes the options of `load`, and those of `consent()`, where the provider stays. */
export declare const setConsent: (given: unknown, warn: (...words: unknown[]) => void, isFirst?: boolean) => void;
/** Consent management is on, and nobody said yet what is allowed. */
export declare const isConsentOpen: () => boolean;
/** `read` answers the configuration's `consentManagementMetadata`, once it is here. */
export declare const readMetadata: (read: () => Dict | undefined) => void;
/** The event's `context.consentManagement`. */
export declare const consentContext: () => Dict | undefined;
export declare const isConsented: (config: Dict) => boolean;
