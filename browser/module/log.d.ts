/** What the page's developer is told, by the level that the page chose in `load`. */
export declare const DEBUG = 2;
export declare const WARN = 3;
export declare const ERROR = 4;
/** What integrations of the page are given. */
export declare const LOGGER: Record<string, (...words: unknown[]) => void>;
export declare const setLevel: (name: any) => void;
export declare const log: (level: number, ...words: unknown[]) => void;
