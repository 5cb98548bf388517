/** The SDK's object: RudderStack's calls, and the order in which things happen after `load`. */

import { readCall, type EventType } from './calls';
import { configAddress, fetchConfig } from './config';
import { consentContext, isConsentOpen, setConsent, setStrategies } from './consent';
import { hostOf, queryValues, readHints, referrer } from './context';
import { basicAuth, nudge, openDelivery, startDelivery } from './delivery';
import { addCustom, forgetWaiting, limitWaiting, nameVisitor, openDevices, toDevices, watchDevices } from './devices';
import { ERROR, log, setLevel, WARN } from './log';
import { buildMessage, clearCustomContext, customContext, setCustomContext } from './message';
import { enqueue, openQueue, persist, queued, settle } from './queue';
import { endSession, openSession, resetSession, sessionId, startSession, touchSession } from './session';
import { ENTRIES, openStorage, read, readCookie, write, type Entry } from './storage';
import { assign, attempt, clone, isFilled, isFunction, isList, isObject, isString, iso, json, keys, merge, now, uuid, type Dict } from './util';
import { VERSION as v } from './version';

const DEFAULTS: Dict = {
  integrations: { All: true },
  sessions: { cutOff: {} },
  storage: { entries: {} },
  sameSiteCookie: 'Lax',
  anonymousIdOptions: {},
  queueOptions: { minRetryDelay: 1000, maxRetryDelay: 360000, backoffFactor: 2, backoffJitter: 0.5, maxItems: 1000, batch: {} },
  destinationsQueueOptions: { maxItems: 100 },
  preConsent: { storage: {}, events: {} },
  autoTrack: { pageLifecycle: {} },
  sourceConfigurationOverride: { destinations: [] },
};
/** What `reset` forgets without being told. */
const RESET: Dict = { userId: true, userTraits: true, groupId: true, groupTraits: true, sessionInfo: true, authToken: true };
/** A configuration that is slow does not hold up the events for longer. */
const CONFIG_MS = 1000;
const LARGE = 32768;

const httpUrl = (url: any): string =>
  attempt(() => {
    const { protocol, href } = new URL(url);
    return /^http/.test(protocol) && href.replace(/\/+$/, '');
  }) || '';

/** `origin`: where our own script came from, the server that answers by default. */
export const createSdk = (origin: string, installType: 'cdn' | 'npm'): Dict => {
  const sdk: Dict = {};
  const startedAt = now();
  let options = DEFAULTS;
  let integrations: Dict;
  /** The parts of each event's context that belong to the page view. */
  const extra: Dict = {};
  let writeKey = '';
  let dataPlaneUrl = '';
  let config: Dict | undefined;
  let isReady = false;
  let isDisabled = false;
  let isBlocked = false;
  /** Before consent; `held` keeps events that may not leave. */
  let preConsent: Dict | undefined;
  let held: Dict[] | undefined;
  /** Calls before `load`, undefined from then on; and callbacks before ready. */
  let early: [string, unknown[]][] | undefined = [];
  const readyCalls: (() => void)[] = [];

  const run = (callback: (...given: any[]) => unknown, ...given: unknown[]): void => {
    try {
      callback(...given);
    } catch (cause) {
      log(ERROR, cause);
    }
  };

  // --- events -----------------------------------------------------------------------------------------------------------

  const emit = (type: EventType, given: unknown[]): void => {
    const call = readCall(type, given);
    const { id, traits, message: own } = call;
    if (type === 'alias' && own.previousId === undefined) own.previousId = read('userId') || read('anonymousId');
    if (type === 'identify') {
      const known = read('userId');
      if (id && known && id !== known) reset();
      name('userId', 'userTraits', id, traits);
    }
    if (type === 'group') name('groupId', 'groupTraits', id, traits);
    if (isDisabled) return;
    extra.consentManagement = consentContext();
    const message = buildMessage(call, touchSession(), installType, extra);
    if (options.useGlobalIntegrationsConfigInEvents === true) message.integrations = clone(integrations);
    nameVisitor(message);
    if (held) held.push(message);
    else send(message);
    toDevices({ type, message, own: type === 'group' ? traits || {} : undefined });
    if (call.callback) run(call.callback, assign({ sentAt: iso() }, message));
    if (isBlocked && type === 'page') {
      isBlocked = false;
      emit('page', ['RudderJS-Initiated', 'ad-block page request', { path: '/ad-blocked' }, options.sendAdblockPageOptions]);
    }
  };

  const send = (message: Dict): void => {
    const text = json(message, function (this: unknown, _, value) {
      return value === null && !isList(this) ? undefined : value;
    });
    if (text.length > LARGE) {
      const parts = assign({}, message.context, message.traits, message.properties);
      const size = (key: string): number => json(parts[key]).length;
      log(WARN, 'a large event:', keys(parts).sort((left, right) => size(right) - size(left))[0]);
    }
    enqueue(text);
    nudge();
  };

  /** identify and group: an id that is null stays, missing traits empty the stored ones. */
  const name = (idEntry: Entry, traitsEntry: Entry, id: any, traits: Dict | undefined): void => {
    if (id !== null) write(idEntry, id || '');
    write(traitsEntry, traits ? merge(read(traitsEntry) || {}, traits) : {});
  };

  const reset = (given?: any): void => {
    const entries = assign({ anonymousId: given === true }, RESET, isObject(given) && given.entries);
    for (const entry of ENTRIES) {
      const wish = entries[entry];
      // Whatever is no boolean is ignored.
      if (wish !== true && (wish === false || !RESET[entry])) continue;
      if (entry === 'sessionInfo') resetSession();
      else write(entry, entry === 'anonymousId' ? uuid() : '');
    }
  };

  // --- loading ----------------------------------------------------------------------------------------------------------

  const storageType = (entry: Entry): string => {
    const { type, entries } = options.storage;
    const own = (entries[entry] || {}).type || type || 'cookieStorage';
    if (!preConsent) return own;
    const { strategy, enabled } = preConsent.storage;
    // Before consent identity lives in memory, so that it is still known when consent comes.
    return enabled === true || (strategy && entry.startsWith(strategy)) ? own : 'memoryStorage';
  };

  const openIdentity = (): void => {
    openStorage(options, storageType);
    extra.trulyAnonymousTracking = ENTRIES.every((entry) => storageType(entry) === (preConsent ? 'memoryStorage' : 'none')) || undefined;
    const external = readCookie(options.externalAnonymousIdCookieName);
    if (external) write('anonymousId', external);
    anonymousId(options.anonymousIdOptions);
    const from = read('initialReferrer') || referrer();
    write('initialReferrer', from);
    write('initialReferringDomain', read('initialReferringDomain') || hostOf(from));
    openSession(options.sessions);
  };

  /** Made on first use. */
  const anonymousId = (wish: any): string => {
    let id = read('anonymousId');
    if (!id) {
      const { enabled, source } = (wish || {}).autoCapture || ({} as Dict);
      const key = 'ajs_anonymous_id';
      if (enabled === true && source === 'segment') id = attempt(() => localStorage.getItem(key)) || readCookie(key);
      // Segment stores its id as JSON.
      id = (id && id.replace(/"/g, '')) || uuid();
      write('anonymousId', id);
    }
    return id;
  };

  const load = (key: unknown, url: unknown, given: unknown): void => {
    if (!early) return;
    if (isObject(url)) [url, given] = [origin, url];
    dataPlaneUrl = httpUrl(url || origin);
    if (!isString(key) || !key.trim() || !dataPlaneUrl) return log(ERROR, 'load(writeKey, dataPlaneUrl)');
    const calls = early;
    early = undefined;
    writeKey = key;
    readOptions(given);
    openQueue(key, options.queueOptions.maxItems);
    openDelivery(dataPlaneUrl, key, options.queueOptions);
    openIdentity();
    if (!preConsent) persist();
    trackLeaving();
    readHints(options.uaChTrackLevel, (hints) => (extra['ua-ch'] = clone(hints)));
    openConfig();
    for (const [method, rest] of calls) sdk[method](...rest);
  };

  const readOptions = (given: unknown): void => {
    options = merge(DEFAULTS, given, true);
    integrations = options.integrations;
    setLevel(options.logLevel);
    if (options.useServerSideCookies) log(ERROR, 'useServerSideCookies is not supported');
    if (options.context) setCustomContext(options.context);
    limitWaiting(options.destinationsQueueOptions.maxItems);
    setConsent(options.consentManagement, true);
    if (isConsentOpen() && options.preConsent.enabled === true) {
      preConsent = options.preConsent;
      if (options.preConsent.events.delivery === 'buffer') held = [];
    }
  };

  const trackLeaving = (): void => {
    const { enabled, options: common, pageLifecycle } = options.autoTrack;
    const { enabled: own = enabled, events = [], options: wish = common } = pageLifecycle;
    if (own || enabled) extra.autoTrack = own ? { page: { pageViewId: uuid() } } : {};
    if (own && (!events[0] || events.includes('Page Unloaded'))) {
      // Capturing: before delivery sends what is left.
      window.addEventListener('pagehide', () => sdk.track('Page Unloaded', { timeOnPage: now() - startedAt }, wish), true);
    }
  };

  const openConfig = (): void => {
    const base = httpUrl(options.configUrl || origin || dataPlaneUrl);
    const own = options.getSourceConfig;
    const Authorization = basicAuth(writeKey);
    if (options.sendAdblockPage === true) {
      fetch(base + '?view=ad', { method: 'HEAD', headers: { Authorization } }).catch(() => (isBlocked = true));
    }
    setTimeout(startDelivery, CONFIG_MS);
    // Never another host than the one that the page named.
    if (!base && !own) return log(ERROR, 'configUrl:', options.configUrl);
    fetchConfig(own ? '' : configAddress(base, { p: installType, v, writeKey }), Authorization, own, startDelivery).then((answer) => attempt(() => takeConfig(answer)));
  };

  const takeConfig = (answer: Dict): void => {
    if (answer.source.enabled === false) {
      isDisabled = true;
      settle(queued());
      return log(ERROR, 'The source is disabled');
    }
    config = answer;
    setStrategies(answer.consentManagementMetadata);
    startDelivery();
    if (options.onLoaded) run(options.onLoaded, sdk);
    announce('RSA_Initialised');
    if (preConsent) becomeReady();
    else loadDevices();
  };

  const loadDevices = (): void => {
    if (!config) return;
    const analytics: any = assign({ loadOnlyIntegrations: integrations, logLevel: options.logLevel }, sdk);
    const overrides = options.sourceConfigurationOverride.destinations;
    openDevices(config.source.destinations, overrides, integrations, analytics, [origin || dataPlaneUrl, writeKey], becomeReady);
  };

  const becomeReady = (): void => {
    if (isReady) return;
    isReady = true;
    for (const callback of readyCalls) run(callback);
    announce('RSA_Ready');
  };

  const announce = (event: string): void => {
    document.dispatchEvent(new CustomEvent(event, { detail: { analyticsInstance: sdk }, bubbles: true, cancelable: true, composed: true }));
  };

  // --- the object ---------------------------------------------------------------------------------------------------------

  const commands: Record<string, (...given: any[]) => void> = {
    ready(callback) {
      if (!isFunction(callback)) log(ERROR, 'ready takes a function');
      else if (isReady) run(callback);
      else readyCalls.push(callback);
    },
    reset(given) {
      reset(given);
      watchDevices();
    },
    setAnonymousId: (id) => write('anonymousId', isString(id) && id ? id : uuid()),
    startSession,
    endSession,
    consent(given) {
      const wish: Dict = merge({}, clone(given), true);
      preConsent = undefined;
      setConsent(wish.consentManagement);
      options = merge(options, { storage: wish.storage }, true);
      integrations = wish.integrations || integrations;
      openIdentity();
      persist();
      const waiting = held || [];
      held = undefined;
      if (wish.discardPreConsentEvents === true) forgetWaiting();
      else waiting.forEach(send);
      loadDevices();
      if (wish.trackConsent === true) sdk.track('Consent Management Interaction');
      if (wish.sendPageEvent === true) sdk.page();
    },
    setAuthToken: (token) => write('authToken', token),
    setCustomContext,
    clearCustomContext,
    setDefaultInstanceKey() {},
    // These two are not kept for after load.
    load,
    addCustomIntegration: addCustom,
  };
  for (const type of ['identify', 'track', 'page', 'group', 'alias'] as const) commands[type] = (...given) => emit(type, given);
  for (const method of keys(commands)) {
    sdk[method] = (...given: unknown[]): void => {
      if (early && !/^(load|add)/.test(method)) early.push([method, given]);
      else run(commands[method]!, ...given);
    };
  }
  return assign(sdk, {
    getAnalyticsInstance: () => sdk,
    getAnonymousId: (wish: unknown) => (early ? undefined : anonymousId(wish)),
    getUserId: () => read('userId') || '',
    getUserTraits: () => clone(read('userTraits') || {}),
    getGroupId: () => read('groupId') || '',
    getGroupTraits: () => clone(read('groupTraits') || {}),
    getSessionId: sessionId,
    getCustomContext: customContext,
  });
};

/** The calls that a page's address carries: `ajs_aid`, `ajs_uid`, `ajs_trait_*`, `ajs_event`, `ajs_prop_*`. */
export const queryCalls = (): unknown[][] => {
  const { aid, uid, event } = queryValues('ajs_');
  const traits = queryValues('ajs_trait_');
  const calls: unknown[][] = [];
  if (aid) calls.push(['setAnonymousId', aid]);
  if (uid) calls.push(['identify', uid, traits]);
  else if (isFilled(traits)) calls.push(['identify', traits]);
  if (event) calls.push(['track', event, queryValues('ajs_prop_')]);
  return calls;
};
