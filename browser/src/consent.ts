/** Consent: which categories a person allowed, and whether that is enough for a destination (contract 9.3). */

import { attempt, isList, isObject, isString, keys, page, type Dict } from './util';

let provider = '';
/** Allowed and denied; undefined until somebody told. */
let ids: [allowed: string[], denied: string[]] | undefined;
let metadata: () => Dict | undefined;

/** Takes the options of `load`, and those of `consent()`, where the provider stays. */
export const setConsent = (given: unknown, warn: (...words: unknown[]) => void, isFirst?: boolean): void => {
  const options: Dict = isObject(given) ? given : {};
  if (isFirst && options.enabled === true) {
    if (/^(custom|oneTrust|ketch|iubenda)$/.test(options.provider)) provider = options.provider;
    else warn('no provider:', options.provider);
  }
  const { allowedConsentIds: allowed, deniedConsentIds: denied } = options;
  if (allowed || denied) ids = [allowed || [], denied || []];
  // The page gave no ids itself: the provider, which may not be on the page (yet).
  else
    ids = attempt(() => {
      if (provider === 'oneTrust') {
        const active: string[] = page.OnetrustActiveGroups.split(',').filter(Boolean);
        const all: string[] = page.OneTrust.GetDomainData().Groups.map((one: Dict) => one.CustomGroupId);
        return [active, all.filter((id) => !active.includes(id))];
      }
      const purposes = provider === 'ketch' ? page.ketchConsent : page._iub.cs.consent.purposes;
      const all = keys(purposes);
      return [all.filter((id) => purposes[id]), all.filter((id) => !purposes[id])];
    });
};

/** Consent management is on, and nobody said yet what is allowed. */
export const isConsentOpen = (): boolean => !!provider && !ids;

/** `read` answers the configuration's `consentManagementMetadata`, once it is here. */
export const readMetadata = (read: () => Dict | undefined): void => {
  metadata = read;
};

const ofProvider = (list: any): Dict => (isList(list) && list.find((one) => isObject(one) && one.provider === provider)) || {};

const sourceStrategy = (): string | undefined => (provider === 'custom' ? undefined : ofProvider((metadata() || {}).providers).resolutionStrategy || 'and');

/** The event's `context.consentManagement`. */
export const consentContext = (): Dict | undefined => {
  if (!provider) return;
  const [allowedConsentIds, deniedConsentIds] = ids || [[], []];
  return { deniedConsentIds, allowedConsentIds, provider, resolutionStrategy: sourceStrategy() };
};

export const isConsented = (config: Dict): boolean => {
  if (!provider || !ids) return true;
  const [allowed] = ids;
  let strategy = sourceStrategy();
  let list: any;
  if (isList(config.consentManagement)) {
    const own = ofProvider(config.consentManagement);
    list = own.consents;
    // These two leave the strategy to the destination.
    if (/^[ci]/.test(provider)) strategy = own.resolutionStrategy || strategy;
  } else {
    // The keys of older workspaces, each with a strategy of its own.
    const isKetch = provider === 'ketch';
    list = isKetch ? config.ketchConsentPurposes : provider === 'oneTrust' && config.oneTrustCookieCategories;
    strategy = isKetch ? 'or' : 'and';
  }
  const wanted = (isList(list) ? list : [])
    .map((one) => isObject(one) && (one.consent || one.purpose || one.oneTrustCookieCategory))
    .map((id) => (isString(id) ? id.trim() : ''))
    .filter(Boolean);
  const isAllowed = (id: string): boolean => allowed.includes(id);
  return !wanted[0] || (strategy === 'or' ? wanted.some(isAllowed) : wanted.every(isAllowed));
};
