/** The SDK's object: RudderStack's calls, and the order in which things happen after `load`. */

import { configAddress, fetchConfig } from './config';
import { hostOf, pageProperties, referrer } from './context';
import { basicAuth, nudge, openDelivery, startDelivery } from './delivery';
import { forgetWaiting, limitWaiting, nameVisitor, openDevices, toDevices, watchDevices } from './devices';
import { anonymousId, reset } from './identity';
import { log, setLevel } from './log';
import { app, readCall, type EventType } from './message';
import type { Install, Kit } from './more';
import { enqueue, openQueue, persist, items, settle } from './queue';
import { openSession, sessionId } from './session';
import { customContext, shared, view } from './shared';
import { openStorage, read, readCookie, write, type Entry } from './storage';
import { addScript, assign, attempt, clone, isFunction, isList, isObject, isString, iso, json, keys, merge, on, uuid, type Dict } from './util';
import { BUILD, VERSION as v } from './version';

const DEFAULTS: Dict = {
  integrations: { All: true },
  storage: {},
  queueOptions: {},
  destinationsQueueOptions: {},
  preConsent: {},
  consentManagement: {},
};
/** A configuration that is slow does not hold up the events for longer, nor does the second file. */
const WAIT_MS = 1000;
const RETRY_MS_MAX = 60000;
/** Options, as JSON, that only the second file knows (switched off they ask for nothing), and calls that the page's address carries. */
const NEEDS_MORE =
  /"(consentM|autoT|uaC|sendA|sourceC|externalA|anonymousIdO|context"|cutO)[^:]*:(?!f|"none|\{(}|"enabled":f))|"logLevel":"[LIDW]|"type":"none|[?&]ajs_/;

/** Without slashes at its end; '' where it is no address. */
const httpUrl = (url: any): string => (/^https?:.*[^/]/.exec(attempt(() => new URL(url).href)!) || [''])[0]!;

/** `origin`: where our own script came from, the server that answers by default. `more`: the second file's address, or what is in it. */
export const createSdk = (origin: string, installType: 'cdn' | 'npm', more: string | Install): Dict => {
  const sdk: Dict = {};
  app.installType = installType;
  let options = DEFAULTS;
  let writeKey = '';
  let dataPlaneUrl = '';
  let config: Dict | undefined;
  let isReady = false;
  let isDisabled = false;
  /** Whether it is settled where the anonymousId comes from. */
  let isNamed = false;
  /** Calls before `load` or while the second file is on its way, undefined otherwise; and callbacks before ready. */
  let early: (() => void)[] | undefined = [];
  const readyCalls: (() => void)[] = [];
  /** Whether the second file is asked for and not here; undefined while nothing asked for it. */
  let isMissing: boolean | undefined;
  /** Calls that only it can answer. */
  let rare: (() => void)[] = [];

  const run = (callback: (...given: any[]) => unknown, ...given: unknown[]): void => {
    try {
      callback(...given);
    } catch (cause) {
      log(cause);
    }
  };

  // --- events -----------------------------------------------------------------------------------------------------------

  const emit = (type: EventType, given: unknown[], at: [string, Dict]): void => {
    const index = given.findIndex(isFunction);
    // Whatever follows the callback is ignored.
    const [message, own] = readCall(type, given.slice(0, index < 0 ? 4 : index), ...at);
    if (isDisabled) return;
    if (options.useGlobalIntegrationsConfigInEvents === true) message.integrations = clone(options.integrations);
    nameVisitor(message);
    shared.send(message);
    toDevices({ type, message, own });
    if (index >= 0) run(given[index] as () => void, assign({ sentAt: iso() }, message));
  };

  shared.send = (message) => {
    enqueue(
      json(message, function (this: unknown, _, value) {
        return value === null && !isList(this) ? undefined : value;
      }),
    );
    nudge();
  };

  // --- loading ----------------------------------------------------------------------------------------------------------

  const storageType = (entry: Entry): string => {
    const { type, entries = {} } = options.storage;
    return (entries[entry] || {}).type || type || 'cookieStorage';
  };

  const openIdentity = (): void => {
    openStorage(options, storageType);
    isNamed = true;
    anonymousId();
    const from = read('initialReferrer') || referrer();
    write('initialReferrer', from);
    write('initialReferringDomain', read('initialReferringDomain') || hostOf(from));
    openSession(options.sessions);
    shared.opened();
  };

  const load = ([key, url, given]: any[]): void => {
    if (options !== DEFAULTS) return;
    if (isObject(url)) [url, given] = [origin, url];
    dataPlaneUrl = httpUrl(url || origin);
    if (!isString(key) || !key.trim() || !dataPlaneUrl) return log('load:', key, url);
    // A copy, also where nothing was given: from now on it is no more the DEFAULTS that stand for "not loaded".
    options = assign({}, merge(DEFAULTS, given, true));
    options.integrations = clone(options.integrations);
    setLevel(options.logLevel);
    start = () => {
      start = undefined;
      writeKey = key;
      shared.begin(options, configBase());
      limitWaiting(options.destinationsQueueOptions.maxItems);
      openQueue(key, options.queueOptions.maxItems);
      openDelivery(dataPlaneUrl, key, options.queueOptions);
      openIdentity();
      if (!shared.isClosed) persist();
      openConfig();
    };
    const wishes = json(clone(options)) + location.search;
    if (isMissing || NEEDS_MORE.test(wishes)) needMore();
    if (!isMissing) goOn();
    else if (options.preConsent.enabled !== true) {
      // The getters answer at once.
      openStorage(options, storageType);
      isNamed = !/externalA|anonymousIdO/.test(wishes);
    }
  };

  let start: (() => void) | undefined;

  /** With what waited: the start, and the calls. */
  const goOn = (): void => {
    if (options === DEFAULTS) return;
    if (start) start();
    const calls = early || [];
    early = undefined;
    for (const call of calls) call();
  };

  const needMore = (): void => {
    if (isMissing === false) return;
    setTimeout(goWithout, WAIT_MS);
    if (isMissing) return;
    isMissing = true;
    early = early || [];
    on(window, 'pagehide', goWithout, true);
    if (isString(more)) fetchMore(more, WAIT_MS);
    else sdk.install(more, BUILD);
  };

  const fetchMore = (url: string, waitMs: number): void => {
    const script = addScript(url);
    script.onload = script.onerror = () => {
      if (!isMissing) return;
      if (waitMs === WAIT_MS) log('not available:', url);
      setTimeout(fetchMore, waitMs, url, Math.min(waitMs * 2, RETRY_MS_MAX));
    };
  };

  /** The second file is late or blocked. What only it can allow stays closed. */
  const goWithout = (): void => {
    const { consentManagement, preConsent } = options;
    const isGuarded = consentManagement.enabled === true;
    if (!isMissing || (isGuarded && preConsent.enabled === true)) return;
    if (isGuarded) view.consentManagement = clone(consentManagement);
    goOn();
    shared.isClosed = isGuarded;
  };

  const configBase = (): string => httpUrl(options.configUrl || origin || dataPlaneUrl);

  const openConfig = (): void => {
    const base = configBase();
    const own = options.getSourceConfig;
    setTimeout(startDelivery, WAIT_MS);
    // Never another host than the one that the page named.
    if (!base && !own) return log('configUrl:', options.configUrl);
    fetchConfig(own ? '' : configAddress(base, { p: installType, v, writeKey }), basicAuth(writeKey), own, startDelivery).then((answer) => attempt(() => takeConfig(answer)));
  };

  const takeConfig = (answer: Dict): void => {
    if (answer.source.enabled === false) {
      isDisabled = true;
      settle(items);
      return log('source disabled');
    }
    config = answer;
    startDelivery();
    if (options.onLoaded) run(options.onLoaded, sdk);
    announce('RSA_Initialised');
    if (shared.isClosed) becomeReady();
    else loadDevices();
  };

  const loadDevices = (): void => {
    if (!config) return;
    const analytics: any = assign({ loadOnlyIntegrations: options.integrations }, sdk);
    openDevices(shared.choose(config), options.integrations, analytics, [origin || dataPlaneUrl, writeKey], becomeReady);
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

  const commands: Kit[1] = {
    ready([callback]) {
      if (!isFunction(callback)) log('ready:', callback);
      else if (isReady) run(callback);
      else readyCalls.push(callback);
    },
    reset([given]) {
      reset(given);
      watchDevices();
    },
    setAnonymousId: ([id]) => write('anonymousId', isString(id) && id ? id : uuid()),
    setDefaultInstanceKey() {},
    load,
  };
  for (const type of ['identify', 'track', 'page', 'group', 'alias'] as const) commands[type] = (given, at) => emit(type, given, at);
  for (const method of keys(commands).concat('consent setCustomContext clearCustomContext addCustomIntegration setAuthToken startSession endSession'.split(' '))) {
    sdk[method] = (...given: unknown[]): void => {
      // An event is of the time and page of its call, whenever its turn comes.
      const at: [string, Dict] = [iso(), pageProperties()];
      // So are its values; but functions are in what `load` and `addCustomIntegration` get.
      const values = /^(lo|ad)/.test(method) ? given : given.map((one) => (isFunction(one) ? one : clone(one)));
      const call = (): void => {
        if (commands[method]) run(commands[method]!, values, at);
        else rare.push(call);
      };
      if (!commands[method]) needMore();
      if (early && method !== 'load') early.push(call);
      else call();
    };
  }
  /** The second file hands itself over. That of another build does not fit, and counts as missing. */
  sdk.install = (install: Install, build: string): void => {
    if (!isMissing || build !== BUILD) return;
    const queued = rare.concat(early || []);
    early = rare = [];
    install([sdk, commands, shared, view, write, readCookie, openIdentity, persist, loadDevices, forgetWaiting, () => [writeKey, config]]);
    isMissing = false;
    shared.isClosed = false;
    if (writeKey) {
      shared.begin(options, configBase());
      shared.opened();
    }
    // The calls of the page's address come first.
    early = early.concat(queued);
    goOn();
    if (!shared.isClosed) loadDevices();
  };
  return assign(sdk, {
    getAnalyticsInstance: () => sdk,
    getAnonymousId: () => (isNamed ? anonymousId() : undefined),
    getUserId: () => read('userId') || '',
    getUserTraits: () => clone(read('userTraits') || {}),
    getGroupId: () => read('groupId') || '',
    getGroupTraits: () => clone(read('groupTraits') || {}),
    getSessionId: sessionId,
    getCustomContext: customContext,
  });
};
