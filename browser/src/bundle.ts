/** The bundle for RudderStack's own SDKs: `window.Pendo_RS.Pendo` (contract, section 8). */

import { setLevel } from './log';
import { createPendo, type Analytics } from './pendo';
import { anonymousVisitor } from './pendo/anonymous';
import { attempt, clone, idOf, isObject, keys, merge, page, type Dict } from './util';

const script = document.currentScript as HTMLScriptElement | null;
const base = (script && attempt(() => new URL(script.src).origin)) || '';

/** The destination's config may name it; v2 hands out its inner object, which has it; v3 keeps its state under it. */
const writeKeyOf = (config: Dict, analytics: Dict): string =>
  config.writeKey || analytics.writeKey || keys(page.RudderStackGlobals || {}).find((key) => key !== 'app') || '';

/** What each group call brings itself, by account: the message has it merged with the traits of the account before. */
const watchGroupCalls = (seen: Record<string, Dict>): void => {
  const sdk = page.rudderanalytics;
  const original = sdk.group;
  sdk.group = (...given: unknown[]): unknown => {
    attempt(() => {
      const isBare = isObject(given[0]) || given[0] == null;
      const group = idOf(isBare ? sdk.getGroupId() : given[0]);
      const traits = given[isBare ? 0 : 1];
      seen[group] = merge(seen[group] || {}, isObject(traits) ? clone(traits) : {});
    });
    return original.apply(sdk, given);
  };
};

/** A class, because the SDKs call `new`. */
class Pendo {
  constructor(config: Dict, analytics: Analytics, info: Dict) {
    setLevel(analytics.logLevel);
    const pendo = createPendo(config, analytics, (info || {}).destinationId, [base, writeKeyOf(config, analytics)]);
    const seen: Record<string, Dict> = {};
    let isPolled = false;
    const take = ({ message }: Dict): void => {
      const { type } = message;
      pendo.take({ type, message, own: type === 'group' ? seen[idOf(message.groupId)] : undefined });
    };
    /** v2 must not see an exception. */
    const isLoaded = (): boolean => {
      isPolled = true;
      return attempt(pendo.isReady as () => boolean) !== false;
    };
    return {
      name: 'PENDO',
      init() {
        attempt(() => watchGroupCalls(seen));
        pendo.init();
      },
      /** For v3: throws when the agent failed, which ends v3's wait at once. */
      isReady: () => (isPolled ? isLoaded() : pendo.isReady()),
      isLoaded,
      identify: take,
      track: take,
      page: take,
      group: take,
      alias: take,
      /** Hybrid: under which id the agent knows somebody unknown, so that the server uses the same. */
      getDataForIntegrationsObject: () =>
        config.connectionMode === 'hybrid' && !idOf(analytics.getUserId())
          ? { Pendo: { visitorId: anonymousVisitor(analytics.getAnonymousId()) } }
          : {},
    } as never;
  }
}

// v3 fetches the script once per destination: the first copy stays, so that a page has one agent.
// (Under v2 the name may be that of its script element.)
if (!(page.Pendo_RS || {}).Pendo) page.Pendo_RS = { Pendo };
