/** What an event says about the page and the browser. Read at each call: single-page apps change the address without loading. */

import { attempt, type Dict } from './util';

export const hostOf = (url: string): string => attempt(() => new URL(url).host) || '';

export const referrer = (): string => document.referrer || '$direct';

export const pageProperties = (): Dict => {
  const { search } = location;
  // An address that is not absolute is no canonical one.
  const page: any = attempt(() => new URL(document.querySelector('link[rel=canonical]')!.getAttribute('href')!)) || location;
  return {
    path: page.pathname,
    referrer: referrer(),
    referring_domain: hostOf(document.referrer),
    search,
    title: document.title,
    url: page.origin + page.pathname + (page.search || search),
    tab_url: location.href,
  };
};

/** What the page's address carries under a prefix. */
export const queryValues = (prefix: string): Dict => {
  const found: Dict = {};
  new URLSearchParams(location.search).forEach((value, key) => {
    if (key.startsWith(prefix)) found[key.slice(prefix.length)] = value;
  });
  return found;
};

/** The part of the context that the browser alone decides. */
export const browserContext = (): Dict => {
  const campaign = queryValues('utm_');
  campaign.name = campaign.campaign || campaign.name;
  delete campaign.campaign;
  return {
    userAgent: navigator.userAgent,
    os: { name: '', version: '' },
    locale: navigator.language,
    screen: { width: screen.width, height: screen.height, density: devicePixelRatio, innerWidth, innerHeight },
    campaign,
    timezone: (/[A-Z]+[+-]\d+/.exec(Date()) || ['NA'])[0],
  };
};
