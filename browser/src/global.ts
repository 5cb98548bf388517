/** The script-tag build: takes over the snippet's array and its calls. */

import { createSdk } from './sdk';
import { attempt, isList, page } from './util';
import { BUILD } from './version';

const waiting: any = page.rudderanalytics || [];

// A second copy of the script changes nothing.
if (isList(waiting)) {
  const src = attempt(() => (document.currentScript as HTMLScriptElement).src) || '';
  // sp.min.js has sp.more.min.js beside it. With the build's mark in its address it is never that of another build out of a cache.
  const sdk = createSdk(attempt(() => new URL(src).origin) || '', 'cdn', src.replace(/\/sp([^/?]*)[^/]*$/, '/sp.more$1?' + BUILD));
  page.rudderanalytics = sdk;
  const call = ([name, ...given]: any[]): void => attempt(() => sdk[name](...given));
  // Kept until load. First consent, then the rest.
  const rank = ([name]: any[]): number => ((name === 'load') as any) - ((name === 'consent') as any);
  waiting.slice().sort((left, right) => rank(left) - rank(right)).forEach(call);
  // A page may have kept the array or one of its methods.
  waiting.push = call as never;
}
