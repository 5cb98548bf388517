/** User agent client hints, handed to `take` now or later. */
export declare const readHints: (level: unknown, take: (hints: unknown) => void) => void;
