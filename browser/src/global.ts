/** The script-tag build: takes over the snippet's array and its calls. */

import { createSdk, queryCalls } from './sdk';
import { attempt, isFunction, isList, page } from './util';

const script = document.currentScript as HTMLScriptElement | null;
const waiting: any = page.rudderanalytics;

// A second copy of the script changes nothing.
if (!waiting || isList(waiting)) {
  const sdk = createSdk((script && attempt(() => new URL(script.src).origin)) || '', 'cdn');
  page.rudderanalytics = sdk;
  const call = ([name, ...given]: [string, ...unknown[]]): void => {
    if (isFunction(sdk[name])) sdk[name](...given);
  };
  const calls = waiting ? waiting.slice() : [];
  const at = calls.findIndex((one: unknown[]) => one[0] === 'load');
  const loads = at < 0 ? [] : calls.splice(at, 1);
  // Kept until load. First the calls of the address, then consent, then the rest.
  const isConsent = (one: unknown[]): boolean => one[0] === 'consent';
  queryCalls(location.search)
    .concat(calls.filter(isConsent), calls.filter((one: unknown[]) => !isConsent(one)))
    .forEach(call as never);
  loads.forEach(call);
  // A page may have kept the array or one of its methods.
  if (waiting) waiting.push = call;
}
