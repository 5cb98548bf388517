/** The bundle for RudderStack's own SDKs: `window.Pendo_RS.Pendo`. */

import { createPendo, type Analytics } from './pendo';
import { attempt, keys, page, type Dict } from './util';

const script = document.currentScript as HTMLScriptElement | null;
const base = (script && attempt(() => new URL(script.src).origin)) || '';

/** The destination's config may name it; v2 hands out its inner object, which has it; v3 keeps its state under it. */
const writeKeyOf = (config: Dict, analytics: Dict): string =>
  config.writeKey || analytics.writeKey || keys(page.RudderStackGlobals || {}).find((key) => key !== 'app') || '';

/** A class, because the SDKs call `new`. */
class Pendo {
  constructor(config: Dict, analytics: Analytics, info: Dict) {
    return createPendo(config, analytics, (info || {}).destinationId, [base, writeKeyOf(config, analytics)], false) as never;
  }
}

// v3 fetches the script once per destination: the first copy stays, so that a page has one agent.
// (Under v2 the name may be that of its script element.)
if (!(page.Pendo_RS || {}).Pendo) page.Pendo_RS = { Pendo };
