/** Consent: which categories a person allowed, and whether that is enough for a destination (contract 9.3). */

import { ERROR, log } from './log';
import { attempt, isList, isObject, keys, page, type Dict } from './util';

/** The keys that older workspaces use instead of `consentManagement`. */
const OLD_KEYS: Dict = {
  oneTrust: ['oneTrustCookieCategories', 'oneTrustCookieCategory'],
  ketch: ['ketchConsentPurposes', 'purpose'],
};

let provider = '';
let allowed: string[] = [];
let denied: string[] = [];
let isKnown = false;
let strategies: Dict[] = [];

/** Takes the options of `load`, and those of `consent()`, where the provider stays. */
export const setConsent = (given: unknown, isFirst: boolean): void => {
  const options: Dict = isObject(given) ? given : {};
  if (isFirst && options.enabled === true) {
    provider = options.provider;
    if (!/^(custom|oneTrust|ketch|iubenda)$/.test(provider)) {
      log(ERROR, 'unknown consent provider', provider);
      provider = '';
    }
  }
  const { allowedConsentIds, deniedConsentIds } = options;
  isKnown = !!(allowedConsentIds || deniedConsentIds);
  if (isKnown) {
    allowed = allowedConsentIds || [];
    denied = deniedConsentIds || [];
  }
};

/** Asks the provider, where the page gave no ids itself; it may not be on the page (yet). */
export const askProvider = (): void => {
  if (isKnown) return;
  attempt(() => {
    if (provider === 'oneTrust') {
      const ids: string[] = page.OnetrustActiveGroups.split(',').filter(Boolean);
      denied = page.OneTrust.GetDomainData().Groups.map((one: Dict) => one.CustomGroupId).filter((id: string) => !ids.includes(id));
      allowed = ids;
    } else {
      const purposes = provider === 'ketch' ? page.ketchConsent : page._iub.cs.consent.purposes;
      allowed = keys(purposes).filter((id) => purposes[id]);
      denied = keys(purposes).filter((id) => !purposes[id]);
    }
    isKnown = true;
  });
};

/** Consent management is on, and nobody said yet what is allowed. */
export const isConsentOpen = (): boolean => !!provider && !isKnown;

export const setStrategies = (metadata: any): void => {
  strategies = (metadata || {}).providers || [];
};

const sourceStrategy = (): string | undefined =>
  provider === 'custom' ? undefined : (strategies.find((one) => one.provider === provider) || {}).resolutionStrategy || 'and';

/** The event's `context.consentManagement`. */
export const consentContext = (): Dict | undefined =>
  provider
    ? { deniedConsentIds: denied, allowedConsentIds: allowed, provider, resolutionStrategy: sourceStrategy() }
    : undefined;

export const isConsented = (config: Dict): boolean => {
  if (!provider || !isKnown) return true;
  let strategy = sourceStrategy();
  let list: Dict[] | undefined = config.consentManagement;
  let key = 'consent';
  if (list) {
    const entry = list.find((one) => one.provider === provider) || {};
    list = entry.consents;
    // These two leave the strategy to the destination.
    if (/^[ci]/.test(provider)) strategy = entry.resolutionStrategy || strategy;
  } else if (OLD_KEYS[provider]) {
    key = OLD_KEYS[provider][1];
    list = config[OLD_KEYS[provider][0]];
    strategy = provider === 'ketch' ? 'or' : 'and';
  }
  const ids = (isList(list) ? list : []).map((one) => String(one[key]).trim()).filter(Boolean);
  const isAllowed = (id: string): boolean => allowed.includes(id);
  return !ids.length || (strategy === 'or' ? ids.some(isAllowed) : ids.every(isAllowed));
};
