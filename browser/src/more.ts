/**
 * What only some pages ask for, by an option of `load` or by a rare call: the second file.
 *
 * It has no state of the first file in it, and gets what it needs as one list, so that no names have to agree.
 */

import { configAddress } from './config';
import { basicAuth } from './delivery';
import { consentContext, isConsented, isConsentOpen, readMetadata, setConsent } from './consent';
import { checkOptions, watchCalls } from './diagnostics';
import { readHints } from './hints';
import { error, LOGGER, setLowest } from './logger';
import { trackLeaving } from './leaving';
import { mergeContext } from './message';
import type { shared as Shared } from './shared';
import { ENTRIES, type Entry } from './storage';
import { queryValues } from './context';
import { assign, attempt, clone, isFilled, json, keys, merge, type Dict } from './util';

const CUT_OFF_MS = 43200000;

type Command = (given: any[], at: [originalTimestamp: string, page: Dict]) => void;

/** What the first file hands over. */
export type Kit = [
  sdk: Dict,
  commands: Record<string, Command>,
  shared: typeof Shared,
  view: Dict,
  write: (entry: Entry, value?: any) => void,
  readCookie: (name: string) => string | undefined,
  openIdentity: () => void,
  persist: () => void,
  loadDevices: () => void,
  forgetWaiting: () => void,
  source: () => [writeKey: string, config: Dict | undefined],
];
export type Install = (kit: Kit) => void;

export const install: Install = (kit) => {
  const [sdk, commands, shared, view, write, readCookie, openIdentity, persist, loadDevices, forgetWaiting, source] = kit;
  const custom: Record<string, any> = {};
  let options: Dict;
  /** Before consent: the storage as the page wishes it afterwards, and events that may not leave yet. */
  let storage: Dict | undefined;
  let isStored = true;
  let held: Dict[] | undefined;

  const setCustom = (given: unknown): void => {
    shared.custom = JSON.parse(json(mergeContext(shared.custom, given), (_, value) => (value === null ? undefined : value)));
  };

  assign(commands, {
    setCustomContext: ([given]: any[]) => setCustom(given),
    clearCustomContext() {
      shared.custom = {};
    },
    startSession([id]: any[]) {
      write('sessionInfo', { id: Number.isInteger(id) && id > 999999999 ? id : Date.now(), manualTrack: true });
    },
    endSession: () => write('sessionInfo'),
    setAuthToken: ([token]: any[]) => write('authToken', token),
    addCustomIntegration([id, integration]: any[]) {
      custom[id] = integration;
    },
    consent([given]: any[]) {
      const wish: Dict = merge({}, clone(given), true);
      setConsent(wish.consentManagement, error);
      options.storage = merge(storage || options.storage, wish.storage, true);
      if (wish.integrations) options.integrations = wish.integrations;
      storage = undefined;
      shared.isClosed = false;
      openIdentity();
      if (!isStored) persist();
      isStored = true;
      const waiting = held || [];
      held = undefined;
      if (wish.discardPreConsentEvents === true) forgetWaiting();
      else waiting.forEach(send);
      loadDevices();
      if (wish.trackConsent === true) sdk.track('Consent Management Interaction');
      if (wish.sendPageEvent === true) sdk.page();
    },
  });

  const { send } = shared;
  shared.send = (message) => {
    if (held) held.push(message);
    else send(message);
  };

  shared.begin = (given, configBase) => {
    options = given;
    setLowest(options.logLevel);
    if (options.context) setCustom(options.context);
    beginConsent();
    trackLeaving(options, view, sdk);
    readHints(options.uaChTrackLevel, (hints) => (view['ua-ch'] = clone(hints)));
    if (options.sendAdblockPage === true && configBase) askForBlockers(configBase);
    checkOptions(options, []);
  };

  const beginConsent = (): void => {
    readMetadata(() => (source()[1] || {}).consentManagementMetadata);
    setConsent(options.consentManagement, error, true);
    Object.defineProperty(view, 'consentManagement', { get: consentContext, enumerable: true, configurable: true });
    if (!isConsentOpen() || options.preConsent.enabled !== true) return;
    const { storage: early = {}, events = {} }: Dict = options.preConsent;
    storage = options.storage as Dict;
    const { type, entries = {} } = storage;
    // Before consent identity lives in memory, so that it is still known when consent comes.
    if (early.enabled !== true) {
      const own: Dict = { type: 'memoryStorage', entries: {} };
      for (const [strategy, entry] of [['session', 'sessionInfo'], ['anonymousId', 'anonymousId']] as const) {
        if (early.strategy === strategy) own.entries[entry] = { type: (entries[entry] || {}).type || type || 'cookieStorage' };
      }
      options.storage = assign({}, storage, own);
    }
    isStored = false;
    shared.isClosed = true;
    if (events.delivery === 'buffer') held = [];
  };

  shared.opened = () => {
    const external = options.externalAnonymousIdCookieName && readCookie(options.externalAnonymousIdCookieName);
    if (external) write('anonymousId', external);
    const { type, entries = {} }: Dict = options.storage;
    // With nothing kept at all, or everything in memory for want of consent.
    const isAnonymous = storage ? type === 'memoryStorage' && !keys(entries)[0] : ENTRIES.every((entry) => ((entries[entry] || {}).type || type) === 'none');
    view.trulyAnonymousTracking = isAnonymous || undefined;
  };

  shared.firstId = () => {
    const { enabled, source }: Dict = (options.anonymousIdOptions || {}).autoCapture || {};
    const key = 'ajs_anonymous_id';
    const id = enabled === true && source === 'segment' && (attempt(() => localStorage.getItem(key)) || readCookie(key));
    // Segment stores its id as JSON.
    return id ? id.replace(/"/g, '') : undefined;
  };

  shared.cutOff = ({ cutOff = {} }, timeout) => {
    const { enabled, duration }: Dict = (options.sessions || {}).cutOff || {};
    const wanted = Number.isInteger(duration) && duration >= 0 ? duration : CUT_OFF_MS;
    return enabled === true && wanted >= timeout ? { enabled, duration: wanted, expiresAt: (cutOff || {}).expiresAt } : undefined;
  };

  shared.choose = ({ source }) => {
    const overrides: Dict[] = (options.sourceConfigurationOverride || {}).destinations || [];
    return source.destinations.map((one: Dict) => {
      const wanted = merge(one, overrides.find(({ id }) => id === one.id), true);
      return isConsented(wanted.config) ? wanted : assign({}, wanted, { enabled: false });
    });
  };

  /** A page's integration in the shape of our own. */
  shared.adapt = (id, settings, analytics) => {
    const own = custom[id];
    return (
      own && {
        init: () => attempt(() => own.init(settings, analytics, LOGGER)),
        isReady: () => own.isReady(analytics, LOGGER),
        take: ({ type, message }: Dict) => attempt(() => own[type](analytics, LOGGER, { message })),
      }
    );
  };

  /** One page call more, once, when a blocker stops the request to the configuration's host. */
  const askForBlockers = (base: string): void => {
    let isBlocked = false;
    const headers = { Authorization: basicAuth(source()[0]) };
    // Where the configuration is asked for: elsewhere on that host a preflight may fail, and would look like a blocker.
    fetch(configAddress(base, { view: 'ad' }), { method: 'HEAD', headers }).catch(() => (isBlocked = true));
    const { page } = commands as { page: Command };
    commands.page = (given, at) => {
      page(given, at);
      if (!isBlocked) return;
      isBlocked = false;
      page(['RudderJS-Initiated', 'ad-block page request', { path: '/ad-blocked' }, options.sendAdblockPageOptions], at);
    };
  };

  watchCalls(kit);
  for (const [name, ...given] of queryCalls()) sdk[name as string](...given);
};

/** The calls that a page's address carries: `ajs_aid`, `ajs_uid`, `ajs_trait_*`, `ajs_event`, `ajs_prop_*`. */
const queryCalls = (): unknown[][] => {
  const { aid, uid, event } = queryValues('ajs_');
  const traits = queryValues('ajs_trait_');
  const calls: unknown[][] = [];
  if (aid) calls.push(['setAnonymousId', aid]);
  if (uid) calls.push(['identify', uid, traits]);
  else if (isFilled(traits)) calls.push(['identify', traits]);
  if (event) calls.push(['track', event, queryValues('ajs_prop_')]);
  return calls;
};
