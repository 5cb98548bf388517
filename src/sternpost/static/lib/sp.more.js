/*! Sternpost, Apache-2.0 */
"use strict";
(() => {
  // src/util.ts
  var isString = (value) => typeof value === "string";
  var isObject = (value) => ({}).toString.call(value) === "[object Object]";
  var isList = Array.isArray;
  var { keys, assign } = Object;
  var json = JSON.stringify;
  var page = window;
  var now = () => Date.now();
  var isFilled = (value) => keys(value || "")[0];
  var attempt = (make) => {
    try {
      return make();
    } catch (_) {
      return void 0;
    }
  };
  var parse = (text) => attempt(() => JSON.parse(text));
  var uuid = () => "10000000-1000-4000-8000-100000000000".replace(
    /[018]/g,
    (digit) => (+digit ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> +digit / 4).toString(16)
  );
  var clone = (value) => {
    const parents = [];
    return parse(
      attempt(
        () => json(value, function(key, entry) {
          parents.splice(0, parents.indexOf(this));
          if (parents.includes(entry)) return "[Circular Reference]";
          parents.unshift(entry);
          return key === "__proto__" ? void 0 : typeof entry === "bigint" ? "[BigInt]" : entry;
        })
      )
    );
  };
  var merge = (left, right, isStrict) => {
    const lists = isList(left) && isList(right);
    if (!lists && !(isObject(left) && isObject(right))) return isStrict && (right == null || isObject(left)) ? left : right;
    const merged = lists ? left.slice() : assign({}, left);
    for (const key of keys(right)) merged[key] = merge(merged[key], right[key], isStrict);
    return merged;
  };
  var on = (target, name, listener, isCapturing) => target.addEventListener(name, listener, isCapturing);

  // src/config.ts
  var configAddress = (base, extra) => {
    const url = new URL(base);
    url.pathname = url.pathname.replace(/(\/sourceConfig)?\/*$/, (_, own) => own || "/sourceConfig/");
    for (const key in extra) if (!url.searchParams.has(key)) url.searchParams.set(key, extra[key]);
    return url.href;
  };

  // src/storage.ts
  var KEYS = {
    userId: "user_id",
    userTraits: "trait",
    groupId: "group_id",
    groupTraits: "group_trait",
    sessionInfo: "session",
    authToken: "auth_token",
    anonymousId: "anonymous_id",
    initialReferrer: "page_init_referrer",
    initialReferringDomain: "page_init_referring_domain"
  };
  var ENTRIES = keys(KEYS);

  // src/delivery.ts
  var basicAuth = (key) => "Basic " + btoa(key + ":");

  // src/consent.ts
  var provider = "";
  var ids;
  var metadata;
  var setConsent = (given, warn2, isFirst) => {
    const options = isObject(given) ? given : {};
    if (isFirst && options.enabled === true) {
      if (/^(custom|oneTrust|ketch|iubenda)$/.test(options.provider)) provider = options.provider;
      else warn2("no provider:", options.provider);
    }
    const { allowedConsentIds: allowed, deniedConsentIds: denied } = options;
    if (allowed || denied) ids = [allowed || [], denied || []];
    else
      ids = attempt(() => {
        if (provider === "oneTrust") {
          const active = page.OnetrustActiveGroups.split(",").filter(Boolean);
          const all2 = page.OneTrust.GetDomainData().Groups.map((one) => one.CustomGroupId);
          return [active, all2.filter((id) => !active.includes(id))];
        }
        const purposes = provider === "ketch" ? page.ketchConsent : page._iub.cs.consent.purposes;
        const all = keys(purposes);
        return [all.filter((id) => purposes[id]), all.filter((id) => !purposes[id])];
      });
  };
  var isConsentOpen = () => !!provider && !ids;
  var readMetadata = (read) => {
    metadata = read;
  };
  var ofProvider = (list) => isList(list) && list.find((one) => isObject(one) && one.provider === provider) || {};
  var sourceStrategy = () => provider === "custom" ? void 0 : ofProvider((metadata() || {}).providers).resolutionStrategy || "and";
  var consentContext = () => {
    if (!provider) return;
    const [allowedConsentIds, deniedConsentIds] = ids || [[], []];
    return { deniedConsentIds, allowedConsentIds, provider, resolutionStrategy: sourceStrategy() };
  };
  var isConsented = (config) => {
    if (!provider || !ids) return true;
    const [allowed] = ids;
    let strategy = sourceStrategy();
    let list;
    if (isList(config.consentManagement)) {
      const own = ofProvider(config.consentManagement);
      list = own.consents;
      if (/^[ci]/.test(provider)) strategy = own.resolutionStrategy || strategy;
    } else {
      const isKetch = provider === "ketch";
      list = isKetch ? config.ketchConsentPurposes : provider === "oneTrust" && config.oneTrustCookieCategories;
      strategy = isKetch ? "or" : "and";
    }
    const wanted = (isList(list) ? list : []).map((one) => isObject(one) && (one.consent || one.purpose || one.oneTrustCookieCategory)).map((id) => isString(id) ? id.trim() : "").filter(Boolean);
    const isAllowed = (id) => allowed.includes(id);
    return !wanted[0] || (strategy === "or" ? wanted.some(isAllowed) : wanted.every(isAllowed));
  };

  // src/logger.ts
  var LEVELS = ["LOG", "INFO", "DEBUG", "WARN", "ERROR", "NONE"];
  var lowest = LEVELS.indexOf("ERROR");
  var setLowest = (name) => {
    if (LEVELS.includes(name)) lowest = LEVELS.indexOf(name);
  };
  var LOGGER = {};
  LEVELS.forEach((name, level) => {
    const method = name.toLowerCase();
    LOGGER[method] = (...words) => {
      if (level >= lowest) console[method]("Sternpost:", ...words);
    };
  });
  var warn = (...words) => LOGGER.warn(...words);
  var error = (...words) => LOGGER.error(...words);

  // src/diagnostics.ts
  var RESERVED_TRAIT = /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;
  var RESERVED_CONTEXT = ["library", "consentManagement", "userAgent", "ua-ch", "screen"];
  var LARGE = 32768;
  var checkEvent = (message, names) => {
    const parts = assign({}, message.context, message.traits, message.properties);
    if (message.type === "track" && !message.event) warn("track needs a name");
    for (const key of keys(assign({}, message.properties, message.traits, message.context.traits))) {
      if (RESERVED_TRAIT.test(key)) warn("reserved:", key);
    }
    const size = (key) => (json(parts[key]) || "").length;
    if (json(message).length > LARGE) warn("large:", keys(parts).sort((left, right) => size(right) - size(left))[0]);
    checkIntegrations(message.integrations, names);
  };
  var checkIntegrations = (integrations, names) => {
    for (const key of keys(integrations)) {
      const name = names.find((one) => one !== key && one.toLowerCase() === key.toLowerCase());
      if (name && !integrations[key]) warn(key, "is written", name);
    }
  };
  var checkContext = (given) => {
    if (!isObject(given) || /"(constructor|prototype)":/.test(attempt(() => json(given)) || "")) warn("bad context:", given);
    else for (const key of RESERVED_CONTEXT) if (key in given) warn("reserved:", key);
  };
  var checkOptions = ({ sessions = {}, storage = {}, integrations, useServerSideCookies }, names) => {
    if (useServerSideCookies) warn("no useServerSideCookies");
    const { timeout, cutOff = {} } = sessions;
    if (timeout < 1e4) warn("sessions.timeout", timeout);
    if (cutOff.duration < (timeout || 0)) warn("sessions.cutOff", cutOff.duration);
    const type = storage.type || "cookieStorage";
    if (type === "cookieStorage" ? !attempt(() => navigator.cookieEnabled) : /^(local|session)/.test(type) && !attempt(() => page[type])) warn("not available:", type);
    checkIntegrations(integrations, names);
  };
  var watchCalls = ([, commands, shared, , , , , , , , source]) => {
    const names = () => (source()[1] || { source: { destinations: [] } }).source.destinations.map((one) => one.destinationDefinition.displayName);
    const { send } = shared;
    shared.send = (message) => {
      attempt(() => checkEvent(message, names()));
      send(message);
    };
    const before = (name, check) => {
      const command = commands[name];
      commands[name] = (given, at) => {
        attempt(() => check(given));
        command(given, at);
      };
    };
    before("startSession", ([id]) => id !== void 0 && !(id > 999999999) && warn("startSession", id));
    before("setCustomContext", ([given]) => checkContext(given));
    for (const [name, first] of [["track", 2], ["page", 1], ["identify", 1], ["group", 1], ["alias", 1]]) {
      before(name, (given) => {
        const objects = given.slice(first).filter(isObject);
        const own = name === "alias" || name === "track" ? objects[0] : objects[isObject(given[0]) ? 0 : 1];
        for (const key of RESERVED_CONTEXT) if (own && (key in own || key in (own.context || {}))) warn("reserved:", key);
      });
    }
  };

  // src/hints.ts
  var HINTS = "architecture bitness brands mobile model platform platformVersion uaFullVersion fullVersionList wow64";
  var readHints = (level, take) => {
    attempt(() => {
      const hints = navigator.userAgentData;
      if (level === "default") take(hints);
      if (level === "full") hints.getHighEntropyValues(HINTS.split(" ")).then(take, () => {
      });
    });
  };

  // src/leaving.ts
  var startedAt = now();
  var trackLeaving = ({ autoTrack = {} }, view, sdk) => {
    const { enabled, options: common, pageLifecycle = {} } = autoTrack;
    const { enabled: own = enabled, events = [], options: wish = common } = pageLifecycle;
    if (own || enabled) view.autoTrack = own ? { page: { pageViewId: uuid() } } : {};
    if (own && (!events[0] || events.includes("Page Unloaded"))) {
      on(window, "pagehide", () => sdk.track("Page Unloaded", { timeOnPage: now() - startedAt }, wish), true);
    }
  };

  // src/context.ts
  var queryValues = (prefix) => {
    const found = {};
    new URLSearchParams(location.search).forEach((value, key) => {
      if (key.startsWith(prefix)) found[key.slice(prefix.length)] = value;
    });
    return found;
  };

  // src/version.ts
  var BUILD = "nUf8";

  // src/message.ts
  var mergeContext = (context, given) => {
    const copy = clone(given);
    if (!isObject(copy) || /"(constructor|prototype)":/.test(json(copy))) return context;
    for (const key of ["library", "consentManagement", "userAgent", "ua-ch", "screen"]) delete copy[key];
    return merge(context, copy);
  };

  // src/more.ts
  var CUT_OFF_MS = 432e5;
  var install = (kit) => {
    const [sdk, commands, shared, view, write, readCookie, openIdentity, persist, loadDevices, forgetWaiting, source] = kit;
    const custom = {};
    let options;
    let storage;
    let isStored = true;
    let held;
    const setCustom = (given) => {
      shared.custom = JSON.parse(json(mergeContext(shared.custom, given), (_, value) => value === null ? void 0 : value));
    };
    assign(commands, {
      setCustomContext: ([given]) => setCustom(given),
      clearCustomContext() {
        shared.custom = {};
      },
      startSession([id]) {
        write("sessionInfo", { id: Number.isInteger(id) && id > 999999999 ? id : Date.now(), manualTrack: true });
      },
      endSession: () => write("sessionInfo"),
      setAuthToken: ([token]) => write("authToken", token),
      addCustomIntegration([id, integration]) {
        custom[id] = integration;
      },
      consent([given]) {
        const wish = merge({}, clone(given), true);
        setConsent(wish.consentManagement, error);
        options.storage = merge(storage || options.storage, wish.storage, true);
        if (wish.integrations) options.integrations = wish.integrations;
        storage = void 0;
        shared.isClosed = false;
        openIdentity();
        if (!isStored) persist();
        isStored = true;
        const waiting = held || [];
        held = void 0;
        if (wish.discardPreConsentEvents === true) forgetWaiting();
        else waiting.forEach(send);
        loadDevices();
        if (wish.trackConsent === true) sdk.track("Consent Management Interaction");
        if (wish.sendPageEvent === true) sdk.page();
      }
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
      readHints(options.uaChTrackLevel, (hints) => view["ua-ch"] = clone(hints));
      if (options.sendAdblockPage === true && configBase) askForBlockers(configBase);
      checkOptions(options, []);
    };
    const beginConsent = () => {
      readMetadata(() => (source()[1] || {}).consentManagementMetadata);
      setConsent(options.consentManagement, error, true);
      Object.defineProperty(view, "consentManagement", { get: consentContext, enumerable: true, configurable: true });
      if (!isConsentOpen() || options.preConsent.enabled !== true) return;
      const { storage: early = {}, events = {} } = options.preConsent;
      storage = options.storage;
      const { type, entries = {} } = storage;
      if (early.enabled !== true) {
        const own = { type: "memoryStorage", entries: {} };
        for (const [strategy, entry] of [["session", "sessionInfo"], ["anonymousId", "anonymousId"]]) {
          if (early.strategy === strategy) own.entries[entry] = { type: (entries[entry] || {}).type || type || "cookieStorage" };
        }
        options.storage = assign({}, storage, own);
      }
      isStored = false;
      shared.isClosed = true;
      if (events.delivery === "buffer") held = [];
    };
    shared.opened = () => {
      const external = options.externalAnonymousIdCookieName && readCookie(options.externalAnonymousIdCookieName);
      if (external) write("anonymousId", external);
      const { type, entries = {} } = options.storage;
      const isAnonymous = storage ? type === "memoryStorage" && !keys(entries)[0] : ENTRIES.every((entry) => ((entries[entry] || {}).type || type) === "none");
      view.trulyAnonymousTracking = isAnonymous || void 0;
    };
    shared.firstId = () => {
      const { enabled, source: source2 } = (options.anonymousIdOptions || {}).autoCapture || {};
      const key = "ajs_anonymous_id";
      const id = enabled === true && source2 === "segment" && (attempt(() => localStorage.getItem(key)) || readCookie(key));
      return id ? id.replace(/"/g, "") : void 0;
    };
    shared.cutOff = ({ cutOff = {} }, timeout) => {
      const { enabled, duration } = (options.sessions || {}).cutOff || {};
      const wanted = Number.isInteger(duration) && duration >= 0 ? duration : CUT_OFF_MS;
      return enabled === true && wanted >= timeout ? { enabled, duration: wanted, expiresAt: (cutOff || {}).expiresAt } : void 0;
    };
    shared.choose = ({ source: source2 }) => {
      const overrides = (options.sourceConfigurationOverride || {}).destinations || [];
      return source2.destinations.map((one) => {
        const wanted = merge(one, overrides.find(({ id }) => id === one.id), true);
        return isConsented(wanted.config) ? wanted : assign({}, wanted, { enabled: false });
      });
    };
    shared.adapt = (id, settings, analytics) => {
      const own = custom[id];
      return own && {
        init: () => attempt(() => own.init(settings, analytics, LOGGER)),
        isReady: () => own.isReady(analytics, LOGGER),
        take: ({ type, message }) => attempt(() => own[type](analytics, LOGGER, { message }))
      };
    };
    const askForBlockers = (base) => {
      let isBlocked = false;
      const headers = { Authorization: basicAuth(source()[0]) };
      fetch(configAddress(base, { view: "ad" }), { method: "HEAD", headers }).catch(() => isBlocked = true);
      const { page: page2 } = commands;
      commands.page = (given, at) => {
        page2(given, at);
        if (!isBlocked) return;
        isBlocked = false;
        page2(["RudderJS-Initiated", "ad-block page request", { path: "/ad-blocked" }, options.sendAdblockPageOptions], at);
      };
    };
    watchCalls(kit);
    for (const [name, ...given] of queryCalls()) sdk[name](...given);
  };
  var queryCalls = () => {
    const { aid, uid, event } = queryValues("ajs_");
    const traits = queryValues("ajs_trait_");
    const calls = [];
    if (aid) calls.push(["setAnonymousId", aid]);
    if (uid) calls.push(["identify", uid, traits]);
    else if (isFilled(traits)) calls.push(["identify", traits]);
    if (event) calls.push(["track", event, queryValues("ajs_prop_")]);
    return calls;
  };

  // src/second.ts
  attempt(() => page.rudderanalytics.install(install, BUILD));
})();
