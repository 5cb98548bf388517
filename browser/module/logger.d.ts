/** Messages by level, for developers. */
export declare const setLowest: (name: any) => void;
/** Also what integrations of the page are given. */
export declare const LOGGER: Record<string, (...words: unknown[]) => void>;
export declare const warn: (...words: unknown[]) => void;
export declare const error: (...words: unknown[]) => void;
