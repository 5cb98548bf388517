export declare const VERSION = "0.1.0";
/** Stands for the mark of a build (scripts/build.mjs puts it in): both files of one have the same. */
export declare const BUILD = "q_7X";
