/** The SDK's object: RudderStack's calls, and the order in which things happen after `load`. */

import { configAddress, fetchConfig } from './config';
import { isConsentOpen, setConsent, setStrategies } from './consent';
import { hostOf, queryValues, readHints, referrer } from './context';
import { basicAuth, nudge, openDelivery, startDelivery } from './delivery';
import { addCustom, forgetWaiting, limitWaiting, nameVisitor, openDevices, toDevices, watchDevices } from './devices';
import { anonymousId, reset } from './identity';
import { ERROR, log, setLevel, WARN } from './log';
import { app, clearCustomContext, customContext, readCall, setCustomContext, view, type EventType } from './message';
import { enqueue, openQueue, persist, items, settle } from './queue';
import { endSession, openSession, sessionId, startSession } from './session';
import { ENTRIES, openStorage, read, readCookie, write, type Entry } from './storage';
import { assign, attempt, clone, isFilled, isFunction, isList, isObject, isString, iso, json, keys, merge, now, on, uuid, type Dict } from './util';
import { VERSION as v } from './version';

const DEFAULTS: Dict = {
  integrations: { All: true },
  storage: {},
  queueOptions: { maxItems: 1000 },
  destinationsQueueOptions: { maxItems: 100 },
  preConsent: {},
  autoTrack: {},
  sourceConfigurationOverride: {},
};
/** A configuration that is slow does not hold up the events for longer. */
const CONFIG_MS = 1000;
const LARGE = 32768;

/** Without slashes at its end; '' where it is no address. */
const httpUrl = (url: any): string => (/^https?:.*[^/]/.exec(attempt(() => new URL(url).href)!) || [''])[0]!;

/** `origin`: where our own script came from, the server that answers by default. */
export const createSdk = (origin: string, installType: 'cdn' | 'npm'): Dict => {
  const sdk: Dict = {};
  app.installType = installType;
  const startedAt = now();
  let options = DEFAULTS;
  let integrations: Dict;
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
    const at = given.findIndex(isFunction);
    // Whatever follows the callback is ignored.
    const [message, own] = readCall(type, given.slice(0, at < 0 ? 4 : at));
    if (isDisabled) return;
    if (options.useGlobalIntegrationsConfigInEvents === true) message.integrations = clone(integrations);
    nameVisitor(message);
    if (held) held.push(message);
    else send(message);
    toDevices({ type, message, own });
    if (at >= 0) run(given[at] as () => void, assign({ sentAt: iso() }, message));
    if (isBlocked && type === 'page') {
      isBlocked = false;
      emit(type, ['RudderJS-Initiated', 'ad-block page request', { path: '/ad-blocked' }, options.sendAdblockPageOptions]);
    }
  };

  const send = (message: Dict): void => {
    const text = json(message, function (this: unknown, _, value) {
      return value === null && !isList(this) ? undefined : value;
    });
    if (text.length > LARGE) {
      const parts = assign({}, message.context, message.traits, message.properties);
      const size = (key: string): number => json(parts[key]).length;
      log(WARN, 'large:', keys(parts).sort((left, right) => size(right) - size(left))[0]);
    }
    enqueue(text);
    nudge();
  };

  // --- loading ----------------------------------------------------------------------------------------------------------

  const storageType = (entry: Entry): string => {
    const { type, entries = {} } = options.storage;
    const own = (entries[entry] || {}).type || type || 'cookieStorage';
    if (!preConsent) return own;
    const { strategy, enabled }: Dict = preConsent.storage || {};
    // Before consent identity lives in memory, so that it is still known when consent comes.
    return enabled === true || (strategy && entry.startsWith(strategy)) ? own : 'memoryStorage';
  };

  const openIdentity = (): void => {
    openStorage(options, storageType);
    view.trulyAnonymousTracking = ENTRIES.every((entry) => storageType(entry) === (preConsent ? 'memoryStorage' : 'none')) || undefined;
    const external = readCookie(options.externalAnonymousIdCookieName);
    if (external) write('anonymousId', external);
    anonymousId(options.anonymousIdOptions);
    const from = read('initialReferrer') || referrer();
    write('initialReferrer', from);
    write('initialReferringDomain', read('initialReferringDomain') || hostOf(from));
    openSession(options.sessions);
  };

  const load = (key: unknown, url: unknown, given: unknown): void => {
    if (!early) return;
    if (isObject(url)) [url, given] = [origin, url];
    dataPlaneUrl = httpUrl(url || origin);
    if (!isString(key) || !key.trim() || !dataPlaneUrl) return log(ERROR, 'load: writeKey, dataPlaneUrl');
    const calls = early;
    early = undefined;
    writeKey = key;
    readOptions(given);
    openQueue(key, options.queueOptions.maxItems);
    openDelivery(dataPlaneUrl, key, options.queueOptions);
    openIdentity();
    if (!preConsent) persist();
    trackLeaving();
    readHints(options.uaChTrackLevel, (hints) => (view['ua-ch'] = clone(hints)));
    openConfig();
    for (const [method, rest] of calls) sdk[method](...rest);
  };

  const readOptions = (given: unknown): void => {
    options = merge(DEFAULTS, given, true);
    integrations = clone(options.integrations);
    setLevel(options.logLevel);
    if (options.useServerSideCookies) log(ERROR, 'no useServerSideCookies');
    if (options.context) setCustomContext(options.context);
    limitWaiting(options.destinationsQueueOptions.maxItems);
    setConsent(options.consentManagement, true);
    if (isConsentOpen() && options.preConsent.enabled === true) {
      preConsent = options.preConsent;
      if ((preConsent!.events || {}).delivery === 'buffer') held = [];
    }
  };

  const trackLeaving = (): void => {
    const { enabled, options: common, pageLifecycle = {} } = options.autoTrack;
    const { enabled: own = enabled, events = [], options: wish = common } = pageLifecycle;
    if (own || enabled) view.autoTrack = own ? { page: { pageViewId: uuid() } } : {};
    if (own && (!events[0] || events.includes('Page Unloaded'))) {
      // Capturing: before delivery sends what is left.
      on(window, 'pagehide', () => sdk.track('Page Unloaded', { timeOnPage: now() - startedAt }, wish), true);
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
      settle(items);
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
    const analytics: any = assign({ loadOnlyIntegrations: integrations }, sdk);
    const overrides = options.sourceConfigurationOverride.destinations || [];
    openDevices(config.source.destinations, overrides, integrations, analytics, [origin || dataPlaneUrl, writeKey], becomeReady);
  };

  const becomeReady = (): void => {
    if (isReady) return;
    isReady = true;
    for (const callback of readyCalls) run(callback);
    announce('RSA_Ready');
  };

  const announce = (event: string): void => {
    document.dispatchEvent(new CustomEvent(event, { detail: { analyticsInstance: sdk }, bubbles: true }));
  };

  // --- the object ---------------------------------------------------------------------------------------------------------

  const commands: Record<string, (...given: any[]) => void> = {
    ready(callback) {
      if (!isFunction(callback)) log(ERROR, 'ready: no function');
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
