/** The SDK's object: RudderStack's calls, and the order in which things happen after `load`. */

import { readCall, type Call } from './calls';
import { configAddress, fetchConfig } from './config';
import { askProvider, consentContext, consentEnabled, consentKnown, setConsent, setStrategies } from './consent';
import { initialReferrer, readHints } from './context';
import { openDelivery, startDelivery, stopDelivery, nudge } from './delivery';
import { addCustom, forgetEarly, limitEarly, nameVisitor, openDevices, toDevices, watchDevices } from './devices';
import { alarm, error, setLevel, warn } from './log';
import { buildMessage, clearCustomContext, customContext, setCustomContext, type Settings } from './message';
import { enqueue, openQueue, persist } from './queue';
import { endSession, openSession, resetSession, sessionId, startSession, touchSession } from './session';
import { ENTRIES, openStorage, read, readCookie, write, type Entry } from './storage';
import { attempt, clone, iso, isFunction, isObject, isString, merge, now, uuid, type Dict } from './util';
import { VERSION } from './version';

const DEFAULTS: Dict = {
  integrations: { All: true },
  sessions: {},
  storage: {},
  queueOptions: { minRetryDelay: 1000, maxRetryDelay: 360000, backoffFactor: 2, maxItems: 1000 },
  destinationsQueueOptions: {},
  preConsent: {},
};
/** What `reset` forgets without being told. */
const RESET: Dict = { userId: true, userTraits: true, groupId: true, groupTraits: true, sessionInfo: true, authToken: true };
const PAGE_VIEW_LIMIT_MS = 1000;

/** `origin`: where our own script came from, the server that answers by default. */
export const createSdk = (origin: string, installType: 'cdn' | 'npm'): Dict => {
  let options: Dict = DEFAULTS;
  let writeKey = '';
  let dataPlaneUrl = '';
  let config: Dict | undefined;
  let isOpen = false;
  /** Before consent: `held` keeps events that may not leave. */
  let preConsent: Dict | undefined;
  let held: Dict[] | undefined;
  let isReady = false;
  let isDisabled = false;
  const readyCalls: (() => void)[] = [];
  let integrations: Dict = DEFAULTS.integrations;
  let adBlocked = false;
  const settings: Settings = { version: VERSION, installType };
  const startedAt = now();

  // --- events -----------------------------------------------------------------------------------------------------------

  const emit = (call: Call): void => {
    if (isDisabled) return;
    settings.integrations = options.useGlobalIntegrationsConfigInEvents === true ? integrations : undefined;
    const message = buildMessage(call, touchSession(), settings, consentContext());
    nameVisitor(message);
    if (held) held.push(message);
    else send(message);
    toDevices(message, call.type === 'group' ? call.traits || {} : undefined);
    const { callback } = call;
    if (callback) {
      try {
        callback(Object.assign({}, message, { sentAt: iso() }));
      } catch (cause) {
        error('a callback failed:', cause);
      }
    }
  };

  const send = (message: Dict): void => {
    const text = JSON.stringify(message, function (this: unknown, _, value) {
      return value === null && !Array.isArray(this) ? undefined : value;
    });
    if (text.length > 32768) {
      const { context, properties, traits } = message;
      const parts: Dict = Object.assign({}, context, traits, properties);
      const size = (key: string): number => (JSON.stringify(parts[key]) || '').length;
      warn('an event above 32 KB; its largest key is ' + Object.keys(parts).sort((a, b) => size(b) - size(a))[0]);
    }
    enqueue(text);
    nudge();
  };

  const identify = (call: Call): void => {
    const { id, traits } = call;
    const known = read('userId');
    if (id && known && id !== known) forget();
    if (id !== null) write('userId', id || '');
    write('userTraits', traits ? merge(read('userTraits') || {}, traits) : {});
    emit(call);
  };

  const group = (call: Call): void => {
    const { id, traits } = call;
    if (id !== null) write('groupId', id || '');
    write('groupTraits', traits ? merge(read('groupTraits') || {}, traits) : {});
    emit(call);
  };

  const alias = (call: Call): void => {
    if (call.from === undefined) call.from = read('userId') || read('anonymousId');
    emit(call);
  };

  const page = (call: Call): void => {
    emit(call);
    if (adBlocked && call.category !== 'RudderJS-Initiated') {
      emit(readCall('page', ['RudderJS-Initiated', 'ad-block page request', { path: '/ad-blocked' }, options.sendAdblockPageOptions]));
    }
  };

  const forget = (given?: unknown): void => {
    const entries: Dict = Object.assign({}, RESET);
    if (typeof given === 'boolean') entries.anonymousId = given;
    else if (isObject(given) && isObject(given.entries)) {
      for (const key of Object.keys(given.entries)) {
        if (typeof given.entries[key] === 'boolean') entries[key] = given.entries[key];
      }
    }
    for (const entry of ENTRIES) {
      if (!entries[entry]) continue;
      if (entry === 'sessionInfo') resetSession();
      else write(entry, entry === 'anonymousId' ? uuid() : '');
    }
  };

  // --- loading ----------------------------------------------------------------------------------------------------------

  const storageType = (entry: Entry): string | undefined => {
    const { type, entries } = options.storage;
    const own = ((entries || {})[entry] || {}).type || type;
    if (!preConsent) return own;
    const { strategy, enabled } = preConsent.storage || ({} as Dict);
    // Before consent identity lives in memory, so that it is still known when consent comes.
    if (enabled === true && own) return own;
    const keeps = { session: 'sessionInfo', anonymousId: 'anonymousId' } as Dict;
    return keeps[strategy] === entry ? own : 'memoryStorage';
  };

  const openIdentity = (carry: boolean): void => {
    openStorage(options, storageType, carry);
    settings.trulyAnonymous = ENTRIES.every((entry) => storageType(entry) === 'none' || (!!preConsent && storageType(entry) === 'memoryStorage'));
    const external = isString(options.externalAnonymousIdCookieName) && readCookie(options.externalAnonymousIdCookieName);
    if (external) write('anonymousId', external);
    anonymousId(options.anonymousIdOptions);
    const [referrer, domain] = initialReferrer();
    write('initialReferrer', referrer);
    write('initialReferringDomain', domain);
    openSession(options.sessions);
  };

  /** Never undefined after `load`: made on first use. */
  const anonymousId = (wish?: any): string => {
    const known = read('anonymousId');
    if (known) return known;
    const capture = (wish || {}).autoCapture || {};
    const name = 'ajs_anonymous_id';
    const stored = capture.enabled === true && capture.source === 'segment' && (attempt(() => localStorage.getItem(name)) || readCookie(name));
    // Segment stores its id as JSON.
    const made = (stored && (attempt(() => String(JSON.parse(stored))) || stored)) || uuid();
    write('anonymousId', made);
    return read('anonymousId') || made;
  };

  const load = (key: unknown, url: unknown, given: unknown): void => {
    if (isOpen) return;
    if (!isString(key) || !key.trim()) return error('load needs a write key');
    if (isObject(url)) {
      given = url;
      url = undefined;
    }
    const plane = httpUrl(url || origin);
    if (!plane) return error('load needs the address of the data plane');
    isOpen = true;
    writeKey = key;
    dataPlaneUrl = plane.replace(/\/+$/, '');
    readOptions(isObject(given) ? given : {});
    openQueue(key, options.queueOptions.maxItems);
    openDelivery(dataPlaneUrl, key, options.queueOptions);
    openIdentity(false);
    if (!preConsent) persist();
    autoTrack();
    readHints(options.uaChTrackLevel, (hints) => (settings.hints = clone(hints)));
    askConfig();
  };

  const httpUrl = (url: unknown): string => {
    const parsed = attempt(() => new URL(String(url)));
    return parsed && /^https?:$/.test(parsed.protocol) ? parsed.href : '';
  };

  /** Wrong types fall back to the defaults, and so do nulls; functions are kept. */
  const readOptions = (given: Dict): void => {
    const known: Dict = {};
    for (const key of Object.keys(given)) {
      const value = given[key];
      if (value != null && (!isObject(DEFAULTS[key]) || isObject(value))) known[key] = isFunction(value) ? value : clone(value);
    }
    options = merge(DEFAULTS, known);
    integrations = options.integrations;
    setLevel(options.logLevel);
    if (options.useServerSideCookies) alarm('useServerSideCookies is not supported');
    if (options.context) setCustomContext(options.context);
    limitEarly(options.destinationsQueueOptions.maxItems);
    setConsent(options.consentManagement, true);
    if (consentEnabled() && !consentKnown() && options.preConsent.enabled === true) {
      preConsent = options.preConsent;
      if ((options.preConsent.events || {}).delivery === 'buffer') held = [];
    } else askProvider();
  };

  const autoTrack = (): void => {
    const { enabled, options: common, pageLifecycle } = options.autoTrack || ({} as Dict);
    const life = Object.assign({ enabled: !!enabled, events: [], options: common }, pageLifecycle);
    if (!enabled && !life.enabled) return;
    settings.autoTrack = life.enabled ? { page: { pageViewId: uuid() } } : {};
    if (!life.enabled || (life.events.length && !life.events.includes('Page Unloaded'))) return;
    // Capturing: before delivery empties the queue for the page that goes.
    window.addEventListener(
      'pagehide',
      () => emit(readCall('track', ['Page Unloaded', { timeOnPage: now() - startedAt }, merge({ originalTimestamp: iso() }, life.options || {})])),
      true,
    );
  };

  const askConfig = (): void => {
    const base = httpUrl(options.configUrl || origin || dataPlaneUrl);
    if (!base) {
      // Never another host than the one that the page named.
      error('configUrl is no http(s) address');
      return startDelivery();
    }
    const address = configAddress(base, writeKey, VERSION, settings.installType);
    if (options.sendAdblockPage === true) {
      fetch(base + '?view=ad', { method: 'HEAD', headers: { Authorization: 'Basic ' + btoa(writeKey + ':') } })
        .then((answer) => (adBlocked = answer.redirected), () => (adBlocked = true));
    }
    // A slow configuration does not hold up the events.
    setTimeout(() => !isDisabled && startDelivery(), PAGE_VIEW_LIMIT_MS);
    fetchConfig(address, writeKey, options.getSourceConfig, takeConfig, startDelivery);
  };

  const takeConfig = (answer: Dict): void => {
    config = answer;
    if (answer.source.enabled === false) {
      isDisabled = true;
      stopDelivery();
      return error('The source is disabled');
    }
    setStrategies(answer.consentManagementMetadata);
    startDelivery();
    if (isFunction(options.onLoaded)) attempt(() => options.onLoaded(sdk));
    announce('RSA_Initialised');
    if (preConsent) becomeReady();
    else loadDevices();
  };

  const loadDevices = (): void => {
    if (!config || isDisabled) return;
    const overrides = (options.sourceConfigurationOverride || {}).destinations || [];
    const home = { base: origin || dataPlaneUrl, writeKey };
    openDevices(config.source.destinations, overrides, integrations, Object.assign({ loadOnlyIntegrations: integrations }, sdk) as any, home, becomeReady);
  };

  const becomeReady = (): void => {
    if (isReady) return;
    isReady = true;
    for (const callback of readyCalls.splice(0)) run(callback);
    announce('RSA_Ready');
  };

  const run = (callback: () => void): void => {
    try {
      callback();
    } catch (cause) {
      error('a callback failed:', cause);
    }
  };

  const announce = (name: string): void => {
    document.dispatchEvent(new CustomEvent(name, { detail: { analyticsInstance: sdk }, bubbles: true, cancelable: true, composed: true }));
  };

  const consent = (given: unknown): void => {
    const wish: Dict = isObject(given) ? clone(given) : {};
    preConsent = undefined;
    setConsent(wish.consentManagement, false);
    askProvider();
    if (isObject(wish.storage)) options = merge(options, { storage: wish.storage });
    if (isObject(wish.integrations)) integrations = wish.integrations;
    openIdentity(true);
    persist();
    const waiting = held || [];
    held = undefined;
    if (wish.discardPreConsentEvents === true) forgetEarly();
    else waiting.forEach(send);
    loadDevices();
    if (wish.trackConsent === true) sdk.track('Consent Management Interaction');
    if (wish.sendPageEvent === true) sdk.page();
  };

  // --- the object ---------------------------------------------------------------------------------------------------------

  const sdk: Dict = {};
  /** Calls before `load`, played then. */
  const buffer: [string, unknown[]][] = [];

  const command = (name: string, act: (...given: any[]) => void): void => {
    sdk[name] = (...given: unknown[]): void => {
      try {
        if (isOpen || name === 'load' || name === 'addCustomIntegration') act(...given);
        else buffer.push([name, given]);
      } catch (cause) {
        error(name + ' failed:', cause);
      }
    };
  };

  const getter = (name: string, get: (given?: any) => unknown): void => {
    sdk[name] = (given?: unknown): unknown => attempt(() => get(given));
  };

  const HANDLERS = { identify, track: emit, page, group, alias };
  for (const type of Object.keys(HANDLERS) as Call['type'][]) {
    command(type, (...given) => HANDLERS[type](readCall(type, given)));
  }
  command('load', (key, url, given) => {
    load(key, url, given);
    if (isOpen) play();
  });
  command('ready', (callback) => {
    if (!isFunction(callback)) return error('ready takes a function');
    if (isReady) run(callback);
    else readyCalls.push(callback);
  });
  command('reset', (given) => {
    forget(given);
    watchDevices();
  });
  command('setAnonymousId', (id) => write('anonymousId', isString(id) && id ? id : uuid()));
  command('startSession', startSession);
  command('endSession', endSession);
  command('consent', consent);
  command('setAuthToken', (token) => write('authToken', token || ''));
  command('setCustomContext', setCustomContext);
  command('clearCustomContext', clearCustomContext);
  command('addCustomIntegration', (id, integration) => addCustom(id, integration));
  command('setDefaultInstanceKey', () => {});
  getter('getAnalyticsInstance', () => sdk);
  getter('getAnonymousId', (wish) => (isOpen ? anonymousId(wish) : undefined));
  getter('getUserId', () => read('userId') || '');
  getter('getUserTraits', () => clone(read('userTraits') || {}));
  getter('getGroupId', () => read('groupId') || '');
  getter('getGroupTraits', () => clone(read('groupTraits') || {}));
  getter('getSessionId', sessionId);
  getter('getCustomContext', customContext);

  const play = (): void => {
    for (const [name, given] of buffer.splice(0)) sdk[name](...given);
  };

  return sdk;
};

/** The calls that a page's address carries: `ajs_aid`, `ajs_uid`, `ajs_trait_*`, `ajs_event`, `ajs_prop_*`. */
export const queryCalls = (search: string): unknown[][] => {
  const query = new URLSearchParams(search);
  const values = (prefix: string): Dict => {
    const found: Dict = {};
    query.forEach((_, key) => {
      if (key.startsWith(prefix)) found[key.slice(prefix.length)] = query.get(key);
    });
    return found;
  };
  const calls: unknown[][] = [];
  const [id, user, event, traits] = [query.get('ajs_aid'), query.get('ajs_uid'), query.get('ajs_event'), values('ajs_trait_')];
  if (id) calls.push(['setAnonymousId', id]);
  if (user) calls.push(['identify', user, traits]);
  else if (Object.keys(traits).length) calls.push(['identify', traits]);
  if (event) calls.push(['track', event, values('ajs_prop_')]);
  return calls;
};
