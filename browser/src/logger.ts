/** Messages by level, for developers. */

import type { Dict } from './util';

const LEVELS = ['LOG', 'INFO', 'DEBUG', 'WARN', 'ERROR', 'NONE'];
let lowest = LEVELS.indexOf('ERROR');

export const setLowest = (name: any): void => {
  if (LEVELS.includes(name)) lowest = LEVELS.indexOf(name);
};

/** Also what integrations of the page are given. */
export const LOGGER: Record<string, (...words: unknown[]) => void> = {};
LEVELS.forEach((name, level) => {
  const method = name.toLowerCase();
  LOGGER[method] = (...words) => {
    if (level >= lowest) (console as Dict)[method]('Sternpost:', ...words);
  };
});

export const warn = (...words: unknown[]): void => LOGGER.warn!(...words);
export const error = (...words: unknown[]): void => LOGGER.error!(...words);
