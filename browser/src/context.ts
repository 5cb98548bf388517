/** What an event says about the page and the browser. Read at each event: single-page apps change the address without loading. */

import { read } from './storage';
import { attempt, type Dict } from './util';

const host = (url: string): string => attempt(() => new URL(url).host) || '';

const referrer = (): string => document.referrer || '$direct';

/** Set once, at the first page that is seen, and kept through `reset`. */
export const initialReferrer = (): [string, string] => {
  const found = read('initialReferrer') || referrer();
  return [found, read('initialReferringDomain') || host(found)];
};

export const pageProperties = (): Dict => {
  const { href, search } = location;
  const link = document.querySelector('link[rel=canonical]');
  const canonical = attempt(() => new URL(link!.getAttribute('href')!));
  const page = canonical || location;
  const from = referrer();
  return {
    path: page.pathname,
    referrer: from,
    referring_domain: host(from),
    search,
    title: document.title,
    url: page.origin + page.pathname + (page.search || search),
    tab_url: href,
    initial_referrer: read('initialReferrer') || '',
    initial_referring_domain: read('initialReferringDomain') || '',
  };
};

const campaign = (): Dict => {
  const found: Dict = {};
  new URLSearchParams(location.search).forEach((value, key) => {
    if (key.startsWith('utm_')) found[key === 'utm_campaign' ? 'name' : key.slice(4)] = value;
  });
  return found;
};

/** The part of the context that the browser alone decides. `page`: given page properties win over the page's own. */
export const browserContext = (properties: Dict): Dict => {
  const page = pageProperties();
  for (const key of Object.keys(page)) page[key] = properties[key] || page[key];
  return {
    userAgent: navigator.userAgent,
    os: { name: '', version: '' },
    locale: navigator.language,
    screen: {
      width: screen.width,
      height: screen.height,
      density: devicePixelRatio,
      innerWidth,
      innerHeight,
    },
    campaign: campaign(),
    page,
    timezone: (/[A-Z]+[+-]\d+/.exec(String(new Date())) || ['NA'])[0],
  };
};

/** User agent client hints, handed to `take` now or later. */
export const readHints = (level: unknown, take: (hints: unknown) => void): void => {
  const hints = (navigator as any).userAgentData;
  if (!hints) return;
  if (level === 'default') take(hints);
  if (level === 'full') {
    hints
      .getHighEntropyValues(
        ['architecture', 'bitness', 'brands', 'mobile', 'model', 'platform', 'platformVersion', 'uaFullVersion', 'fullVersionList', 'wow64'],
      )
      .then(take, () => {});
  }
};
