/** What the page's developer is told, by the level that the page chose in `load`. */
export declare const setLevel: (name: unknown) => void;
export declare const debug: (...words: unknown[]) => void;
export declare const warn: (...words: unknown[]) => void;
export declare const error: (...words: unknown[]) => void;
/** A warning that is shown at the default level too: something the owner of the page must know. */
export declare const alarm: (...words: unknown[]) => void;
