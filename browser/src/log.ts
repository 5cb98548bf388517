/** What the page's developer is told. Warnings and less are made by the second file, for pages that ask for them. */

let isQuiet = false;

export const setLevel = (name: unknown): void => {
  isQuiet = name === 'NONE';
};

export const log = (...words: unknown[]): void => {
  if (!isQuiet) console.error('Sternpost:', ...words);
};
