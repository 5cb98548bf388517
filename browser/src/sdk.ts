/** The SDK's object: RudderStack's calls, and the order in which things happen after `load`. */

import { readCall, type Call } from './calls';
import { configAddress, fetchConfig } from './config';
import { askProvider, consentContext, isConsentOpen, setConsent, setStrategies } from './consent';
import { hostOf, readHints, referrer } from './context';
import { basicAuth, nudge, openDelivery, startDelivery } from './delivery';
import { addCustom, forgetWaiting, limitWaiting, nameVisitor, openDevices, toDevices, watchDevices } from './devices';
import { ERROR, log, setLevel, WARN } from './log';
import { buildMessage, clearCustomContext, customContext, setCustomContext } from './message';
import { enqueue, openQueue, persist, queued, settle } from './queue';
import { endSession, openSession, resetSession, sessionId, startSession, touchSession } from './session';
import { ENTRIES, openStorage, read, readCookie, write, type Entry } from './storage';
import { assign, attempt, clone, isFunction, isList, isObject, isString, iso, keys, merge, now, uuid, type Dict } from './util';
import { VERSION } from './version';

const DEFAULTS: Dict = {
  integrations: { All: true },
  sessions: { cutOff: {} },
  storage: { entries: {} },
  sameSiteCookie: 'Lax',
  anonymousIdOptions: { autoCapture: {} },
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

/** `origin`: where our own script came from, the server that answers by default. */
export const createSdk = (origin: string, installType: 'cdn' | 'npm'): Dict => {
  const sdk: Dict = {};
  const startedAt = now();
  let options = DEFAULTS;
  let integrations: Dict = DEFAULTS.integrations;
  /** The parts of each event's context that belong to the page view. */
  const extra: Dict = {};
  let writeKey = '';
  let dataPlaneUrl = '';
  let config: Dict | undefined;
  let isOpen = false;
  let isReady = false;
  let isDisabled = false;
  let isBlocked = false;
  /** Before consent; `held` keeps events that may not leave. */
  let preConsent: Dict | undefined;
  let held: Dict[] | undefined;
  /** Calls before `load`, and callbacks before ready. */
  const early: [string, unknown[]][] = [];
  const readyCalls: (() => void)[] = [];

  // --- events -----------------------------------------------------------------------------------------------------------

  const emit = (call: Call): void => {
    if (isDisabled) return;
    extra.consentManagement = consentContext();
    const message = buildMessage(call, touchSession(), VERSION, installType, extra);
    if (options.useGlobalIntegrationsConfigInEvents === true) message.integrations = clone(integrations);
    nameVisitor(message);
    if (held) held.push(message);
    else send(message);
    toDevices([message, call.type === 'group' ? call.traits || {} : undefined]);
    if (call.callback) run(call.callback, assign({ sentAt: iso() }, message));
  };

  const run = (callback: (given?: any) => void, given?: unknown): void => {
    try {
      callback(given);
    } catch (cause) {
      log(ERROR, cause);
    }
  };

  const send = (message: Dict): void => {
    const text = JSON.stringify(message, function (this: unknown, _, value) {
      return value === null && !isList(this) ? undefined : value;
    });
    if (text.length > LARGE) {
      const parts = assign({}, message.context, message.traits, message.properties);
      const size = (key: string): number => JSON.stringify(parts[key]).length;
      log(WARN, 'a large event:', keys(parts).sort((left, right) => size(right) - size(left))[0]);
    }
    enqueue(text);
    nudge();
  };

  /** identify and group: an id that is null stays, missing traits empty the stored ones. */
  const name = (call: Call, idEntry: Entry, traitsEntry: Entry): void => {
    const { id, traits } = call;
    if (id !== null) write(idEntry, id || '');
    write(traitsEntry, traits ? merge(read(traitsEntry) || {}, traits) : {});
    emit(call);
  };

  const HANDLERS: Record<Call['type'], (call: Call) => void> = {
    identify(call) {
      const known = read('userId');
      if (call.id && known && call.id !== known) reset();
      name(call, 'userId', 'userTraits');
    },
    group: (call) => name(call, 'groupId', 'groupTraits'),
    track: emit,
    page(call) {
      emit(call);
      if (isBlocked) {
        emit(readCall('page', ['RudderJS-Initiated', 'ad-block page request', { path: '/ad-blocked' }, options.sendAdblockPageOptions]));
      }
    },
    alias(call) {
      if (call.from === undefined) call.from = read('userId') || read('anonymousId');
      emit(call);
    },
  };

  const reset = (given?: any): void => {
    const entries = assign({}, RESET, given === true && { anonymousId: true }, isObject(given) && given.entries);
    for (const entry of ENTRIES) {
      // Whatever is no boolean is ignored.
      if (isBoolean(entries[entry]) ? !entries[entry] : !RESET[entry]) continue;
      if (entry === 'sessionInfo') resetSession();
      else write(entry, entry === 'anonymousId' ? uuid() : '');
    }
  };

  const isBoolean = (value: unknown): boolean => typeof value === 'boolean';

  // --- loading ----------------------------------------------------------------------------------------------------------

  const storageType = (entry: Entry): string => {
    const { type, entries } = options.storage;
    const own = (entries[entry] || {}).type || type;
    if (preConsent) {
      const { strategy, enabled } = preConsent.storage;
      // Before consent identity lives in memory, so that it is still known when consent comes.
      if (!(enabled === true ? own : strategy && entry.startsWith(strategy))) return 'memoryStorage';
    }
    return own || 'cookieStorage';
  };

  const openIdentity = (): void => {
    openStorage(options, storageType);
    const types = ENTRIES.map(storageType);
    extra.trulyAnonymousTracking = types.every((type) => type === (preConsent ? 'memoryStorage' : 'none')) || undefined;
    const external = isString(options.externalAnonymousIdCookieName) && readCookie(options.externalAnonymousIdCookieName);
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
      write('anonymousId', (id = (id && id.replace(/^"|"$/g, '')) || uuid()));
    }
    return id;
  };

  const httpUrl = (url: unknown): string => {
    const parsed = attempt(() => new URL(url as string));
    return parsed && /^http/.test(parsed.protocol) ? parsed.href.replace(/\/+$/, '') : '';
  };

  const load = (key: unknown, url: unknown, given: unknown): void => {
    if (isOpen) return;
    if (isObject(url)) [url, given] = [origin, url];
    dataPlaneUrl = httpUrl(url || origin);
    if (!isString(key) || !key.trim() || !dataPlaneUrl) return log(ERROR, 'load(writeKey, dataPlaneUrl)');
    isOpen = true;
    writeKey = key;
    readOptions(isObject(given) ? given : {});
    openQueue(key, options.queueOptions.maxItems);
    openDelivery(dataPlaneUrl, key, options.queueOptions);
    openIdentity();
    if (!preConsent) persist();
    trackLeaving();
    readHints(options.uaChTrackLevel, (hints) => (extra['ua-ch'] = clone(hints)));
    openConfig();
    for (const [method, rest] of early.splice(0)) sdk[method](...rest);
  };

  /** Wrong types and nulls fall back to the defaults. */
  const readOptions = (given: Dict): void => {
    const settle = (value: any, otherwise: any): any => {
      if (isFunction(value)) return value;
      if (!isObject(otherwise)) return value == null ? otherwise : clone(value);
      const settled = assign({}, otherwise);
      for (const key of keys(isObject(value) ? value : {})) settled[key] = settle(value[key], otherwise[key]);
      return settled;
    };
    options = settle(given, DEFAULTS);
    integrations = options.integrations;
    setLevel(options.logLevel);
    if (options.useServerSideCookies) log(ERROR, 'useServerSideCookies is not supported');
    if (options.context) setCustomContext(options.context);
    limitWaiting(options.destinationsQueueOptions.maxItems);
    setConsent(options.consentManagement, true);
    if (isConsentOpen() && options.preConsent.enabled === true) {
      preConsent = options.preConsent;
      if (options.preConsent.events.delivery === 'buffer') held = [];
    } else askProvider();
  };

  const trackLeaving = (): void => {
    const { enabled, options: common, pageLifecycle } = options.autoTrack;
    const { enabled: own = enabled, events = [], options: wish = common } = pageLifecycle;
    if (own || enabled) extra.autoTrack = own ? { page: { pageViewId: uuid() } } : {};
    if (!own || (events[0] && !events.includes('Page Unloaded'))) return;
    // Capturing: before delivery sends what is left.
    window.addEventListener('pagehide', () => sdk.track('Page Unloaded', { timeOnPage: now() - startedAt }, wish), true);
  };

  const openConfig = (): void => {
    const base = httpUrl(options.configUrl || origin || dataPlaneUrl);
    // Never another host than the one that the page named.
    if (!base) log(ERROR, 'configUrl:', options.configUrl);
    const authorization = basicAuth(writeKey);
    if (options.sendAdblockPage === true) {
      fetch(base + '?view=ad', { method: 'HEAD', headers: { Authorization: authorization } }).catch(() => (isBlocked = true));
    }
    setTimeout(startDelivery, CONFIG_MS);
    if (!base && !options.getSourceConfig) return;
    const address = base && configAddress(base, { p: installType, v: VERSION, writeKey });
    fetchConfig(address, authorization, options.getSourceConfig, startDelivery).then((answer) => attempt(() => takeConfig(answer)));
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
    if (isFunction(options.onLoaded)) run(options.onLoaded, sdk);
    announce('RSA_Initialised');
    if (preConsent) becomeReady();
    else loadDevices();
  };

  const loadDevices = (): void => {
    if (!config) return;
    const analytics = assign({ loadOnlyIntegrations: integrations, logLevel: options.logLevel }, sdk) as any;
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
    const shape = { detail: { analyticsInstance: sdk }, bubbles: true, cancelable: true, composed: true };
    document.dispatchEvent(new CustomEvent(event, shape));
  };

  const consent = (given: unknown): void => {
    const wish: Dict = isObject(given) ? clone(given) : {};
    preConsent = undefined;
    setConsent(wish.consentManagement, false);
    askProvider();
    if (isObject(wish.storage)) options = merge(options, { storage: wish.storage });
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
    consent,
    setAuthToken: (token) => write('authToken', token),
    setCustomContext,
    clearCustomContext,
    setDefaultInstanceKey() {},
    // These two are not kept for after load.
    load,
    addCustomIntegration: addCustom,
  };
  for (const type of keys(HANDLERS) as Call['type'][]) commands[type] = (...given) => HANDLERS[type](readCall(type, given));
  for (const method of keys(commands)) {
    sdk[method] = (...given: unknown[]): void => {
      try {
        if (isOpen || /^(load|add)/.test(method)) commands[method]!(...given);
        else early.push([method, given]);
      } catch (cause) {
        log(ERROR, method, cause);
      }
    };
  }
  const getters: Record<string, (given?: any) => unknown> = {
    getAnalyticsInstance: () => sdk,
    getAnonymousId: (wish) => (isOpen ? anonymousId(wish) : undefined),
    getUserId: () => read('userId') || '',
    getUserTraits: () => clone(read('userTraits') || {}),
    getGroupId: () => read('groupId') || '',
    getGroupTraits: () => clone(read('groupTraits') || {}),
    getSessionId: sessionId,
    getCustomContext: customContext,
  };
  return assign(sdk, getters);
};

/** The calls that a page's address carries: `ajs_aid`, `ajs_uid`, `ajs_trait_*`, `ajs_event`, `ajs_prop_*`. */
export const queryCalls = (search: string): unknown[][] => {
  const query = new URLSearchParams(search);
  const values = (prefix: string): Dict => {
    const found: Dict = {};
    query.forEach((value, key) => {
      if (key.startsWith(prefix)) found[key.slice(prefix.length)] = value;
    });
    return found;
  };
  const calls: unknown[][] = [];
  const [id, user, event] = ['aid', 'uid', 'event'].map((key) => query.get('ajs_' + key));
  const traits = values('ajs_trait_');
  if (id) calls.push(['setAnonymousId', id]);
  if (user) calls.push(['identify', user, traits]);
  else if (keys(traits)[0]) calls.push(['identify', traits]);
  if (event) calls.push(['track', event, values('ajs_prop_')]);
  return calls;
};
