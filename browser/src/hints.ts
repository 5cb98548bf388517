import { attempt } from './util';

const HINTS = 'architecture bitness brands mobile model platform platformVersion uaFullVersion fullVersionList wow64';

/** User agent client hints, handed to `take` now or later. */
export const readHints = (level: unknown, take: (hints: unknown) => void): void => {
  attempt(() => {
    const hints = (navigator as any).userAgentData;
    if (level === 'default') take(hints);
    if (level === 'full') hints.getHighEntropyValues(HINTS.split(' ')).then(take, () => {});
  });
};
