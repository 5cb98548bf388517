export const VERSION = '0.1.0';
/** Stands for the mark of a build (scripts/build.mjs puts it in): both files of one have the same. */
export const BUILD = 'q_7X';
