/** Dates in traits (rule C6 of contracts/pendo.md): which keys are dates, and every accepted form as RFC 3339 in UTC. */
/** Whether the last word of a key, split at `_` and at changes of case, names a date. */
export declare const isDateKey: (key: string) => boolean;
/** The date as text, or undefined when it is none, or ambiguous. What is no date at all throws inside. */
export declare const asDate: (value: unknown) => string | undefined;
