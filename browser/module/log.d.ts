/** What the page's developer is told. Warnings and less are made by the second file, for pages that ask for them. */
export declare const setLevel: (name: unknown) => void;
export declare const log: (...words: unknown[]) => void;
