/** What the page's developer is told, by the level that the page chose in `load`. */

const LEVELS = ['LOG', 'INFO', 'DEBUG', 'WARN', 'ERROR', 'NONE'];
let level = 4;

export const setLevel = (name: unknown): void => {
  const found = LEVELS.indexOf(name as string);
  if (found >= 0) level = found;
};

const out = (lowest: number, method: 'debug' | 'warn' | 'error', words: unknown[]): void => {
  if (level <= lowest) console[method]('Sternpost:', ...words);
};

export const debug = (...words: unknown[]): void => out(2, 'debug', words);
export const warn = (...words: unknown[]): void => out(3, 'warn', words);
export const error = (...words: unknown[]): void => out(4, 'error', words);
/** A warning that is shown at the default level too: something the owner of the page must know. */
export const alarm = (...words: unknown[]): void => out(4, 'warn', words);
