/** Who is there, beyond what is stored as it comes: the anonymousId, and forgetting. */
/** The anonymousId, made on first use. */
export declare const anonymousId: () => string;
export declare const reset: (given?: any) => void;
