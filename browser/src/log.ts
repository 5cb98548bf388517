/** What the page's developer is told, by the level that the page chose in `load`. */

const LEVELS = ['LOG', 'INFO', 'DEBUG', 'WARN', 'ERROR', 'NONE'];
export const DEBUG = 2;
export const WARN = 3;
export const ERROR = 4;
let lowest = ERROR;

/** What integrations of the page are given. */
export const LOGGER: Record<string, (...words: unknown[]) => void> = {};
LEVELS.forEach((name, level) => (LOGGER[name.toLowerCase()] = (...words) => log(level, ...words)));

export const setLevel = (name: any): void => {
  if (LEVELS.includes(name)) lowest = LEVELS.indexOf(name);
};

export const log = (level: number, ...words: unknown[]): void => {
  if (level >= lowest) (console as any)[LEVELS[level]!.toLowerCase()]('Sternpost:', ...words);
};
