/** The script-tag build: takes over the snippet's array and its calls. */

import { createSdk } from './sdk';
import { attempt, isList, page } from './util';

const waiting: any = page.rudderanalytics || [];

// A second copy of the script changes nothing.
if (isList(waiting)) {
  const src = attempt(() => (document.currentScript as HTMLScriptElement).src) || '';
  // sp.min.js has sp.more.min.js beside it.
  const sdk = createSdk(attempt(() => new URL(src).origin) || '', 'cdn', src.replace(/\/sp(?=[^/]*$)/, '/sp.more'));
  page.rudderanalytics = sdk;
  const call = ([name, ...given]: any[]): void => attempt(() => sdk[name](...given));
  // Kept until load. First consent, then the rest.
  const rank = ([name]: any[]): number => +(name === 'load') - +(name === 'consent');
  waiting.slice().sort((left, right) => rank(left) - rank(right)).forEach(call);
  // A page may have kept the array or one of its methods.
  waiting.push = call as never;
}
