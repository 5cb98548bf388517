/** Consent: which categories a person allowed, and whether that is enough for a destination (contract 9.3). */

import { error } from './log';
import { attempt, isFilled, isList, isObject, type Dict } from './util';

type Provider = 'custom' | 'oneTrust' | 'ketch' | 'iubenda';

/** The keys that older workspaces use instead of `consentManagement`. */
const OLD_KEYS: Dict = {
  oneTrust: ['oneTrustCookieCategories', 'oneTrustCookieCategory', 'and'],
  ketch: ['ketchConsentPurposes', 'purpose', 'or'],
};

let provider: Provider | undefined;
let allowed: string[] = [];
let denied: string[] = [];
let known = false;
let strategies: Dict[] = [];

const page = (): Dict => window as Dict;

const split = (purposes: Dict): void => {
  allowed = Object.keys(purposes).filter((id) => purposes[id]);
  denied = Object.keys(purposes).filter((id) => !purposes[id]);
  known = true;
};

/** How each provider tells what was allowed; nothing when it is not on the page (yet). */
const READERS: Record<Provider, () => void> = {
  custom: () => {},
  oneTrust: () => {
    const ids: Dict = {};
    for (const group of page().OneTrust.GetDomainData().Groups) ids[group.CustomGroupId] = false;
    for (const id of page().OnetrustActiveGroups.split(',')) if (id) ids[id] = true;
    split(ids);
  },
  ketch: () => split(page().ketchConsent),
  iubenda: () => split(page()._iub.cs.consent.purposes),
};

/** Takes the options of `load`, or of `consent()`, where the provider stays. */
export const setConsent = (options: Dict | undefined, first: boolean): void => {
  if (first) {
    provider = undefined;
    if (!options || options.enabled !== true) return;
    provider = options.provider;
    if (!(provider! in READERS)) {
      error('consent provider ' + provider + ' is not supported');
      provider = undefined;
    }
  }
  if (!provider) return;
  const given = isObject(options) ? options : {};
  known = [given.allowedConsentIds, given.deniedConsentIds].some((ids) => isList(ids) || isFilled(ids));
  if (known) {
    allowed = given.allowedConsentIds || [];
    denied = given.deniedConsentIds || [];
  }
};

/** Asks the provider, where the page gave no ids itself. */
export const askProvider = (): void => {
  if (provider && !known) attempt(READERS[provider]);
};

export const consentEnabled = (): boolean => !!provider;
export const consentKnown = (): boolean => known;

export const setStrategies = (metadata: any): void => {
  strategies = (metadata && metadata.providers) || [];
};

const strategy = (): string | undefined => {
  const entry = strategies.find((one) => one.provider === provider);
  return provider === 'custom' ? undefined : (entry && entry.resolutionStrategy) || 'and';
};

/** The event's `context.consentManagement`. */
export const consentContext = (): Dict | undefined =>
  provider && { deniedConsentIds: denied, allowedConsentIds: allowed, provider, resolutionStrategy: strategy() };

export const isConsented = (config: Dict): boolean => {
  if (!provider || !known) return true;
  const entries = config.consentManagement;
  let rule = strategy();
  let ids: unknown[] = [];
  if (isList(entries)) {
    const entry = entries.find((one) => one.provider === provider) || {};
    ids = (entry.consents || []).map((one: Dict) => one.consent);
    if (provider === 'custom' || provider === 'iubenda') rule = entry.resolutionStrategy || rule;
  } else if (OLD_KEYS[provider]) {
    const [list, key, old] = OLD_KEYS[provider];
    ids = (config[list] || []).map((one: Dict) => one[key]);
    rule = old;
  }
  const wanted = ids.map((id) => String(id).trim()).filter(Boolean);
  const isAllowed = (id: string): boolean => allowed.includes(id);
  return !wanted.length || (rule === 'or' ? wanted.some(isAllowed) : wanted.every(isAllowed));
};
