/*! Sternpost browser SDK, Apache-2.0 */
"use strict";
(() => {
  // src/util.ts
  var isString = (value) => typeof value === "string";
  var isFunction = (value) => typeof value === "function";
  var isObject = (value) => ({}).toString.call(value) === "[object Object]";
  var isList = Array.isArray;
  var keys = Object.keys;
  var assign = Object.assign;
  var page = window;
  var now = () => Date.now();
  var iso = () => (/* @__PURE__ */ new Date()).toISOString();
  var attempt = (make) => {
    try {
      return make();
    } catch (_) {
      return void 0;
    }
  };
  var parse = (text2) => attempt(() => JSON.parse(text2));
  var uuid = () => (
    // randomUUID exists on secure pages only.
    attempt(() => crypto.randomUUID()) || "10000000-1000-4000-8000-100000000000".replace(
      /[018]/g,
      (digit) => (+digit ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> +digit / 4).toString(16)
    )
  );
  var clone = (value) => {
    const parents = [];
    return parse(
      attempt(
        () => JSON.stringify(value, function(key, entry) {
          while (parents.length && parents[0] !== this) parents.shift();
          if (parents.includes(entry)) return "[Circular Reference]";
          if (typeof entry === "object") parents.unshift(entry);
          return key === "__proto__" ? void 0 : typeof entry === "bigint" ? "[BigInt]" : entry;
        })
      )
    );
  };
  var merge = (left, right) => {
    const lists = isList(left) && isList(right);
    if (!lists && !(isObject(left) && isObject(right))) return right;
    const merged = lists ? left.slice() : assign({}, left);
    for (const key of keys(right)) merged[key] = merge(merged[key], right[key]);
    return merged;
  };
  var base64 = (text2) => btoa(unescape(encodeURIComponent(text2)));
  var unbase64 = (text2) => decodeURIComponent(escape(atob(text2)));
  var on = (target, name2, listener) => target.addEventListener(name2, listener);
  var request = async (url2, init, timeoutMs) => fetch(url2, assign({ signal: AbortSignal.timeout && AbortSignal.timeout(timeoutMs) }, init));
  var pushBounded = (list, entry, max2, typeOf) => {
    list.push(entry);
    if (list.length > max2) list.splice(Math.max(0, list.findIndex((one) => /^(track|page)/.test(typeOf(one)))), 1);
  };

  // src/calls.ts
  var text = (value) => isString(value) || value == null ? value : JSON.stringify(value);
  var readCall = (type, given) => {
    const at = given.findIndex(isFunction);
    const callback = given[at];
    let [a, b, c, d] = (at < 0 ? given : given.slice(0, at)).map(clone);
    if (type === "track") return { type, callback, name: a, properties: b == null ? {} : b, options: c };
    if (type === "page") {
      if (isObject(a)) [a, b, c, d] = [void 0, void 0, a, b];
      else if (isObject(b)) [a, b, c, d] = [void 0, isString(a) ? a : void 0, b, c];
      else if (isString(a) && !isString(b)) [a, b] = [void 0, a];
      const properties = isObject(c) ? c : {};
      if (isString(b) && b) properties.name = b;
      if (isString(a) && a) properties.category = a;
      return { type, callback, name: b, category: a, properties, options: d };
    }
    if (type === "alias") {
      if (isObject(b) || b === null) [b, c] = [void 0, b];
      return { type, callback, id: text(a), from: text(b), options: c };
    }
    if (isObject(a) || a === null) [a, b, c] = [null, a, b];
    return { type, callback, id: text(a), traits: isObject(b) ? b : void 0, options: c };
  };

  // src/log.ts
  var LEVELS = ["LOG", "INFO", "DEBUG", "WARN", "ERROR", "NONE"];
  var DEBUG = 2;
  var WARN = 3;
  var ERROR = 4;
  var lowest = ERROR;
  var setLevel = (name2) => {
    if (LEVELS.includes(name2)) lowest = LEVELS.indexOf(name2);
  };
  var log = (level, ...words) => {
    if (level >= lowest) console[LEVELS[level].toLowerCase()]("Sternpost:", ...words);
  };

  // src/config.ts
  var TIMEOUT_MS = 1e4;
  var RETRY_MS_MAX = 6e4;
  var configAddress = (base, extra) => {
    const url2 = new URL(base);
    const path = url2.pathname.replace(/\/+$/, "");
    if (!path.endsWith("/sourceConfig")) url2.pathname = path + "/sourceConfig/";
    for (const key in extra) if (!url2.searchParams.has(key)) url2.searchParams.set(key, extra[key]);
    return url2.href;
  };
  var fetchConfig = async (address, Authorization, own, failed) => {
    for (let waitMs = 1e3; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      try {
        const headers = { Accept: "application/json", Authorization };
        const answer = own ? await own() : await request(address, { headers }, TIMEOUT_MS).then((one) => one.ok && one.json());
        const config = isString(answer) ? JSON.parse(answer) : answer;
        if (config.source.id != null && isList(config.source.destinations)) return config;
        throw 0;
      } catch (cause) {
        log(ERROR, "no source configuration", cause);
        failed();
        await new Promise((done) => setTimeout(done, waitMs));
      }
    }
  };

  // src/consent.ts
  var OLD_KEYS = {
    oneTrust: ["oneTrustCookieCategories", "oneTrustCookieCategory"],
    ketch: ["ketchConsentPurposes", "purpose"]
  };
  var provider = "";
  var allowed = [];
  var denied = [];
  var isKnown = false;
  var strategies = [];
  var setConsent = (given, isFirst) => {
    const options = isObject(given) ? given : {};
    if (isFirst && options.enabled === true) {
      provider = options.provider;
      if (!/^(custom|oneTrust|ketch|iubenda)$/.test(provider)) {
        log(ERROR, "unknown consent provider", provider);
        provider = "";
      }
    }
    const { allowedConsentIds, deniedConsentIds } = options;
    isKnown = !!(allowedConsentIds || deniedConsentIds);
    if (isKnown) {
      allowed = allowedConsentIds || [];
      denied = deniedConsentIds || [];
    }
  };
  var askProvider = () => {
    if (isKnown) return;
    attempt(() => {
      if (provider === "oneTrust") {
        const ids = page.OnetrustActiveGroups.split(",").filter(Boolean);
        denied = page.OneTrust.GetDomainData().Groups.map((one) => one.CustomGroupId).filter((id) => !ids.includes(id));
        allowed = ids;
      } else {
        const purposes = provider === "ketch" ? page.ketchConsent : page._iub.cs.consent.purposes;
        allowed = keys(purposes).filter((id) => purposes[id]);
        denied = keys(purposes).filter((id) => !purposes[id]);
      }
      isKnown = true;
    });
  };
  var isConsentOpen = () => !!provider && !isKnown;
  var setStrategies = (metadata) => {
    strategies = (metadata || {}).providers || [];
  };
  var sourceStrategy = () => provider === "custom" ? void 0 : (strategies.find((one) => one.provider === provider) || {}).resolutionStrategy || "and";
  var consentContext = () => provider ? { deniedConsentIds: denied, allowedConsentIds: allowed, provider, resolutionStrategy: sourceStrategy() } : void 0;
  var isConsented = (config) => {
    if (!provider || !isKnown) return true;
    let strategy = sourceStrategy();
    let list = config.consentManagement;
    let key = "consent";
    if (list) {
      const entry = list.find((one) => one.provider === provider) || {};
      list = entry.consents;
      if (/^[ci]/.test(provider)) strategy = entry.resolutionStrategy || strategy;
    } else if (OLD_KEYS[provider]) {
      key = OLD_KEYS[provider][1];
      list = config[OLD_KEYS[provider][0]];
      strategy = provider === "ketch" ? "or" : "and";
    }
    const ids = (isList(list) ? list : []).map((one) => String(one[key]).trim()).filter(Boolean);
    const isAllowed = (id) => allowed.includes(id);
    return !ids.length || (strategy === "or" ? ids.some(isAllowed) : ids.every(isAllowed));
  };

  // src/storage.ts
  var KEYS = {
    userId: "user_id",
    userTraits: "trait",
    groupId: "group_id",
    groupTraits: "group_trait",
    anonymousId: "anonymous_id",
    initialReferrer: "page_init_referrer",
    initialReferringDomain: "page_init_referring_domain",
    sessionInfo: "session",
    authToken: "auth_token"
  };
  var ENTRIES = keys(KEYS);
  var PREFIX = "RS_ENC_v3_";
  var TEST = "rl_test";
  var TYPES = ["cookieStorage", "localStorage", "sessionStorage", "memoryStorage"];
  var YEAR_MS = 31536e6;
  var stores;
  var slots = {};
  var readCookie = (name2) => attempt(() => decodeURIComponent(("; " + document.cookie).split(`; ${name2}=`)[1].split(";")[0]));
  var cookieStore = (options) => {
    const { hostname } = location;
    const cookie = assign(
      {
        maxage: YEAR_MS,
        path: "/",
        domain: options.setCookieDomain,
        samesite: options.sameSiteCookie,
        secure: options.secureCookie
      },
      options.storage.cookie
    );
    const set = (name2, text2) => {
      attempt(
        () => document.cookie = `${name2}=${encodeURIComponent(text2)};max-age=${text2 ? cookie.maxage / 1e3 : 0};path=${cookie.path};samesite=${cookie.samesite}` + (cookie.domain ? ";domain=" + cookie.domain : "") + (cookie.secure ? ";secure" : "")
      );
    };
    const sticks = () => {
      set(TEST, TEST);
      const found = readCookie(TEST);
      set(TEST, "");
      return !!found;
    };
    if (!cookie.domain && !options.sameDomainCookiesOnly && !/^[\d.]+$|:/.test(hostname)) {
      const parts = hostname.split(".");
      for (let level = parts.length - 1; level--; cookie.domain = "") {
        cookie.domain = "." + parts.slice(level).join(".");
        if (sticks()) break;
      }
    }
    return sticks() ? { get: readCookie, set } : void 0;
  };
  var webStorage = (name2) => attempt(() => (page[name2].getItem(TEST), page[name2]));
  var webStore = (name2) => {
    const store2 = webStorage(name2);
    return store2 && {
      get: (key) => attempt(() => store2.getItem(key)),
      set: (key, text2) => attempt(() => text2 ? store2.setItem(key, text2) : store2.removeItem(key))
    };
  };
  var decode = (raw) => parse(attempt(() => raw.startsWith(PREFIX) ? unbase64(raw.slice(PREFIX.length)) : raw));
  var openStorage = (options, type) => {
    stores = stores || [cookieStore(options), webStore(TYPES[1]), webStore(TYPES[2])];
    for (const entry of ENTRIES) {
      const known = read(entry);
      const wish = type(entry);
      let chosen = TYPES.indexOf(wish);
      while (chosen >= 0 && chosen < 3 && !stores[chosen]) chosen++;
      if (chosen >= 0 && TYPES[chosen] !== wish) log(WARN, entry, TYPES[chosen]);
      const store2 = stores[chosen];
      slots[entry] = { store: store2, isKept: chosen >= 0 };
      if (store2) {
        for (const other of stores) {
          if (other && other !== store2) {
            const found = decode(other.get("rl_" + KEYS[entry]));
            if (found) write(entry, found);
            other.set("rl_" + KEYS[entry], "");
          }
        }
      }
      if (known) write(entry, known);
    }
  };
  var read = (entry) => {
    const slot = slots[entry] || {};
    if (slot.store) {
      const raw = slot.store.get("rl_" + KEYS[entry]);
      if (raw !== slot.raw) {
        slot.raw = raw;
        slot.value = decode(raw);
      }
    }
    return slot.value;
  };
  var write = (entry, value) => {
    const slot = slots[entry];
    if (!slot || !slot.isKept) return;
    slot.value = value;
    if (slot.store) {
      const isFilled = value && (isString(value) || keys(value).length);
      const key = "rl_" + KEYS[entry];
      slot.store.set(key, isFilled ? PREFIX + (attempt(() => base64(JSON.stringify(value))) || "") : "");
      slot.raw = slot.store.get(key);
    }
  };

  // src/context.ts
  var hostOf = (url2) => attempt(() => new URL(url2).host) || "";
  var referrer = () => document.referrer || "$direct";
  var pageProperties = () => {
    const { search } = location;
    const page2 = attempt(() => new URL(document.querySelector("link[rel=canonical]").getAttribute("href"))) || location;
    return {
      path: page2.pathname,
      referrer: referrer(),
      referring_domain: hostOf(document.referrer),
      search,
      title: document.title,
      url: page2.origin + page2.pathname + (page2.search || search),
      tab_url: location.href,
      initial_referrer: read("initialReferrer") || "",
      initial_referring_domain: read("initialReferringDomain") || ""
    };
  };
  var browserContext = () => {
    const campaign = {};
    new URLSearchParams(location.search).forEach((value, key) => {
      if (key.startsWith("utm_")) campaign[key === "utm_campaign" ? "name" : key.slice(4)] = value;
    });
    return {
      userAgent: navigator.userAgent,
      os: { name: "", version: "" },
      locale: navigator.language,
      screen: { width: screen.width, height: screen.height, density: devicePixelRatio, innerWidth, innerHeight },
      campaign,
      timezone: (/[A-Z]+[+-]\d+/.exec(Date()) || ["NA"])[0]
    };
  };
  var HINTS = "architecture bitness brands mobile model platform platformVersion uaFullVersion fullVersionList wow64";
  var readHints = (level, take) => {
    attempt(() => {
      const hints = navigator.userAgentData;
      if (level === "default") take(hints);
      if (level === "full") hints.getHighEntropyValues(HINTS.split(" ")).then(take, () => {
      });
    });
  };

  // src/queue.ts
  var ALIVE_MS = 1e4;
  var LEFT_MS = 3e3;
  var tab = uuid();
  var prefix = "";
  var max = 0;
  var serial = 0;
  var store;
  var items = [];
  var queued = () => items;
  var openQueue = (writeKey2, size) => {
    prefix = `sp_q.${writeKey2}.`;
    max = size;
  };
  var persist = () => {
    store = webStorage("localStorage") || webStorage("sessionStorage");
    items.forEach(keep);
    adopt();
  };
  var keep = (item) => {
    item.isStored = attempt(() => (store.setItem(item.key, item.text), true));
  };
  var enqueue = (text2, isRecovered = false) => {
    const item = { key: prefix + tab + "." + serial++, text: text2, isRecovered };
    keep(item);
    const before = items.concat(item);
    pushBounded(items, item, max, (one) => one.isSending ? "" : one.text.slice(9));
    settle(before.filter((one) => !items.includes(one)));
  };
  var settle = (done) => {
    items = items.filter((item) => !done.includes(item));
    for (const item of done) attempt(() => store.removeItem(item.key));
    beat(ALIVE_MS);
  };
  var beat = (aliveMs) => {
    attempt(
      () => items.length && aliveMs ? store.setItem(prefix + tab, String(now() + aliveMs)) : store.removeItem(prefix + tab)
    );
  };
  var leave = () => beat(items.some((item) => item.isSending) ? LEFT_MS : 0);
  var adopt = () => {
    beat(ALIVE_MS);
    attempt(() => {
      keys(store).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length).split(".")).sort((left, right) => +left[1] - +right[1]).forEach(([owner, number]) => {
        if (owner === tab || +store.getItem(prefix + owner) > now()) return;
        const key = prefix + owner + (number ? "." + number : "");
        const text2 = store.getItem(key);
        store.removeItem(key);
        if (number && text2) enqueue(text2, true);
      });
    });
  };
  var comeBack = () => {
    items = items.filter((item) => !item.isStored || store.getItem(item.key));
    for (const item of items) item.isSending = false;
  };

  // src/delivery.ts
  var KEEPALIVE_BYTES = 6e4;
  var TIMEOUT_MS2 = 3e4;
  var LOOK_MS = 3e3;
  var WAIT_MS_MAX = 36e5;
  var url = "";
  var writeKey = "";
  var retry = {};
  var batchMax = 100;
  var batchBytes = KEEPALIVE_BYTES;
  var isOpen = false;
  var isBusy = false;
  var timer;
  var failures = 0;
  var firstFailure = 0;
  var lastFailure = 0;
  var reason = "";
  var basicAuth = (key) => "Basic " + btoa(key + ":");
  var openDelivery = (dataPlaneUrl, key, options) => {
    url = dataPlaneUrl;
    writeKey = key;
    retry = options;
    batchMax = options.batch.maxItems || batchMax;
    batchBytes = Math.min(options.batch.maxSize || batchBytes, batchBytes);
    on(document, "visibilitychange", () => document.visibilityState === "hidden" && flush());
    on(window, "pagehide", () => {
      flush();
      leave();
    });
    on(window, "pageshow", (event) => {
      if (event.persisted) {
        comeBack();
        isBusy = false;
        wake(0);
      }
    });
    on(window, "online", () => wake(0));
    setInterval(() => {
      adopt();
      send();
    }, LOOK_MS);
  };
  var startDelivery = () => {
    if (!isOpen) wake(0);
    isOpen = true;
  };
  var nudge = () => {
    if (!timer) wake(0);
  };
  var wake = (afterMs) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      send();
    }, afterMs);
  };
  var send = async () => {
    if (!isOpen || isBusy || timer) return;
    const batch = nextBatch();
    if (!batch[0]) return;
    isBusy = true;
    await post(batch);
    isBusy = false;
    nudge();
  };
  var flush = () => {
    for (let batch; (batch = nextBatch())[0]; ) post(batch, true);
  };
  var bytesOf = (text2) => new Blob([text2]).size;
  var nextBatch = () => {
    const batch = [];
    let bytes = 0;
    for (const item of queued()) {
      if (item.isSending) continue;
      bytes += bytesOf(item.text) + 50;
      if (batch[0] && (batch.length >= batchMax || bytes > batchBytes || batch[0].isRecovered !== item.isRecovered)) break;
      batch.push(item);
    }
    for (const item of batch) item.isSending = true;
    return batch;
  };
  var post = async (batch, isLeaving) => {
    const first = batch[0];
    const sentAt = iso();
    const events = batch.map((item) => item.text.slice(0, -1) + `,"sentAt":"${sentAt}"}`);
    const body = `{"batch":[${events}],"sentAt":"${sentAt}"}`;
    const headers = {
      Accept: "application/json",
      "Content-Type": "application/json;charset=UTF-8",
      Authorization: basicAuth(writeKey),
      AnonymousId: attempt(() => base64(parse(first.text).anonymousId)) || "",
      SentAt: sentAt
    };
    if (failures) {
      headers["Rsa-Retry-Attempt"] = failures;
      headers["Rsa-Retry-Reason"] = reason;
      headers["Rsa-Since-Last-Attempt"] = now() - lastFailure;
      headers["Rsa-Since-First-Attempt"] = now() - firstFailure;
    }
    if (first.isRecovered) headers["Rsa-Recovered"] = true;
    let status = 0;
    let waitMs = 0;
    let cause = "client-network";
    try {
      const keepalive = bytesOf(body) < KEEPALIVE_BYTES + 4e3;
      const answer = await request(url + "/v1/batch", { method: "POST", headers, body, keepalive }, TIMEOUT_MS2);
      status = answer.status;
      cause = "server-" + status;
      const after = answer.headers.get("Retry-After") || 0;
      waitMs = after >= 0 ? after * 1e3 : Date.parse(after) - now();
    } catch (error) {
      if (error.name === "TimeoutError") cause = "client-timeout";
      const beacon = `${url}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`;
      if (isLeaving && attempt(() => navigator.sendBeacon(beacon, body))) status = 200;
    }
    for (const item of batch) item.isSending = false;
    if (!status || status > 499 || status === 408 || status === 429) {
      lastFailure = now();
      if (!failures++) firstFailure = lastFailure;
      reason = cause;
      const backoffMs = Math.min(retry.minRetryDelay * retry.backoffFactor ** failures, retry.maxRetryDelay);
      wake(Math.max(Math.min(waitMs, WAIT_MS_MAX) || 0, backoffMs * (1 - Math.random() * retry.backoffJitter)));
    } else if (batch[1] && (status === 413 || status === 400)) {
      batchMax = batch.length >> 1;
    } else {
      if (status > 399) log(ERROR, "events refused:", status);
      failures = 0;
      settle(batch);
    }
  };

  // src/filters.ts
  var trimmed = (name2) => isString(name2) ? name2.trim() : "";
  var passesList = (config, message) => {
    const option = config.eventFilteringOption;
    if (message.type !== "track" || !/^(white|black)listedEvents$/.test(option)) return true;
    const name2 = trimmed(message.event);
    const isListed = !!name2 && (config[option] || []).some((one) => trimmed((one || {}).eventName) === name2);
    return isListed === (option[0] === "w");
  };
  var isIntegrated = (integrations, name2) => {
    for (const key of keys(integrations)) {
      if (key !== name2 && key.toLowerCase() === name2.toLowerCase() && !integrations[key]) {
        log(WARN, key, "is written", name2);
        return false;
      }
    }
    const own = integrations[name2];
    return !!(own === void 0 ? integrations.All == null || integrations.All : own);
  };

  // src/pendo/agent.ts
  var tell = (object, name2, ...args) => attempt(() => isFunction(object[name2]) && object[name2](...args));

  // src/pendo/anonymous.ts
  var PREFIX2 = "_PENDO_T_";
  var KEY = "sp_pendo";
  var memory = ["", "", "", {}];
  var recall = () => {
    const stored = parse(attempt(() => webStorage("localStorage").getItem(KEY)));
    return isList(stored) ? memory = stored : memory;
  };
  var remember = (change) => {
    recall();
    Object.assign(memory, change);
    attempt(() => webStorage("localStorage").setItem(KEY, JSON.stringify(memory)));
  };
  var anonymousVisitor = (anonymousId) => {
    const [used, fresh] = recall();
    if (used !== anonymousId) return PREFIX2 + anonymousId;
    if (!fresh) remember([used, PREFIX2 + uuid()]);
    return memory[1];
  };

  // src/pendo/dates.ts
  var CLOCK = "(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?";
  var ISO = RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[Tt ]${CLOCK} ?([Zz]|[+-]\\d\\d:?\\d\\d)?)?$`);
  var WORDED = RegExp(
    `^(?:[A-Za-z]{3,9},? )?([A-Za-z]{3} \\d{1,2}|\\d{1,2} [A-Za-z]{3}) (\\d{4})(?: ${CLOCK}(?: ?((?:GMT|UTC)?[+-]\\d{4}|GMT|UTC?|Z))?(?: ?\\([^()]*\\))?)?$`
  );
  var isDateKey = (key) => /(^|_)(at|date|datetime|timestamp|birthday|dob|since|until)_*$/.test(
    key.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$2_").toLowerCase()
  );
  var asDate = (value) => {
    const text2 = String(value).trim();
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text2)) return fromNumber(+text2);
    let [, year, month, day, ...rest] = ISO.exec(text2) || [];
    if (!year) {
      const [, words, found, ...clock] = WORDED.exec(text2) || [];
      if (!words) return void 0;
      if (/^\d/.test(words) && !clock[0]) return void 0;
      const number = "janfebmaraprmayjunjulaugsepoctnovdec".indexOf(words.replace(/[\d ]/g, "").toLowerCase()) / 3 + 1;
      [year, month, day, rest] = [found, ("0" + number).slice(-2), ("0" + words.replace(/\D/g, "")).slice(-2), clock];
    }
    return fromParts(`${year}-${month}-${day}`, rest);
  };
  var fromNumber = (number) => number >= 1e8 && number < 1e14 ? new Date(Math.trunc(number < 1e11 ? number * 1e3 : number)).toISOString() : void 0;
  var fromParts = (day, clock) => {
    const [hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = clock;
    const local = /* @__PURE__ */ new Date(`${day}T${hour}:${minute}:${second}.${(fraction + "00").slice(0, 3)}Z`);
    const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(zone) || ["", "", 0, 0];
    const offset = +hours * 60 + +minutes;
    try {
      if (local.toISOString().slice(0, 10) !== day || offset > 1439) return void 0;
      const text2 = new Date(+local - +(sign + "60000") * offset).toISOString();
      return text2.length === 24 && text2 > "0001" ? text2 : void 0;
    } catch (_) {
      return void 0;
    }
  };

  // src/pendo/clean.ts
  var DEPTH_MAX = 5;
  var KEY_CHARS_MAX = 200;
  var TEXT_CHARS_MAX = 1500;
  var cleanTraits = (traits, settings, leftOut) => {
    const leaves = {};
    const offer = (key, value, depth) => {
      if (isObject(value)) {
        if (settings.nestedTraits !== "drop" && depth < DEPTH_MAX && key.length <= KEY_CHARS_MAX) {
          for (const name3 of keys(value)) offer(key + "_" + name3, value[name3], depth + 1);
        }
        return;
      }
      const name2 = cleanKey(key);
      const rank = depth ? 0 : name2 === key ? 2 : 1;
      if (name2 && !(leaves[name2] && leaves[name2].rank > rank)) leaves[name2] = { key, value, rank };
    };
    for (const key of keys(traits)) {
      if (key !== leftOut && cleanKey(key) !== "id") offer(key, traits[key], 0);
    }
    const values = {};
    for (const name2 of keys(leaves)) {
      const { key, value } = leaves[name2];
      let cleaned;
      if (isList(value)) {
        const items2 = value.map(scalar).filter((item) => item !== void 0);
        cleaned = settings.metadataGroup === "custom" ? scalar(items2.join(",")) : items2;
      } else cleaned = scalar(isDateKey(key) && asDate(value) || value);
      if (cleaned !== void 0) values[name2] = cleaned;
    }
    return values;
  };
  var cleanKey = (key) => {
    const name2 = key.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/\W/gu, "_");
    return /[A-Za-z\d]/.test(name2) ? name2.replace(/^(?=\d)/, "_").toLowerCase() : "";
  };
  var scalar = (value) => isString(value) ? Array.from(value).slice(0, TEXT_CHARS_MAX).join("") : Number.isFinite(value) || typeof value === "boolean" ? value : void 0;

  // src/pendo/hosts.ts
  var INFIX = { eu: ".eu", jp: ".jpn", au: ".au" };
  var pendoHost = (config, role) => (config.hosts || {})[role] || `https://${config.region === "us1" ? "us1." : ""}${role === "data" ? role : "cdn"}${INFIX[config.region] || ""}.pendo.io`;

  // src/pendo/index.ts
  var LOOK_MS2 = 50;
  var READY_MS = 1e4;
  var SLOW_MS = 5e3;
  var FLUSH_MS = 5e3;
  var WATCH_MS = 1e3;
  var WAITING_MAX = 100;
  var [IDLE, LOADING, READY, OFF] = [0, 1, 2, 3];
  var isTaken = false;
  var idOf = (value) => value == null ? "" : String(value).trim();
  var agent = (method, ...given) => tell(page.pendo, method, ...given);
  var createPendo = (config, analytics, id, home, isOurs) => {
    let status = IDLE;
    let hasFailed = false;
    let person;
    let isNamed = false;
    let given = "";
    let agentUser = "";
    let accounts = {};
    let seesOwn = isOurs;
    let waiting3 = [];
    const held = [];
    let flushTimer;
    let isPolled = false;
    const isHybrid = config.connectionMode === "hybrid";
    const hidesUnknown = /skip|hold/.test(config.anonymousVisitors);
    const presentPerson = () => {
      const group = idOf(analytics.getGroupId());
      return {
        user: idOf(analytics.getUserId()),
        traits: analytics.getUserTraits() || {},
        group,
        groupTraits: accounts[group] || analytics.getGroupTraits() || {}
      };
    };
    const describe = ({ user, traits, group, groupTraits }) => {
      const part = (values, own, leftOut) => assign(cleanTraits(values, config, leftOut), { id: own });
      const trait = config.parentAccountTrait;
      const parent = groupTraits[trait];
      const parentId = group && idOf(isObject(parent) ? parent.id : parent);
      return {
        visitor: part(traits, user || anonymousVisitor(analytics.getAnonymousId())),
        account: group ? part(groupTraits, group, trait) : { id: null },
        parentAccount: parentId ? part(isObject(parent) ? parent : {}, parentId) : void 0
      };
    };
    const note = ({ user, group, groupTraits }) => {
      agentUser = user;
      const [used, fresh] = recall();
      remember(user ? [analytics.getAnonymousId(), "", group, groupTraits] : [used, fresh, group, groupTraits]);
    };
    const apply = (who) => {
      const { user } = who;
      const isHidden = !user && hidesUnknown;
      const isNew = !agentUser;
      if (!isNew && agentUser !== user) {
        if (isHidden) agent("stopSendingEvents");
        agent("clearSession");
        given = "";
        accounts = {};
        const fresh = idOf(agent("getVisitorId"));
        if (fresh.startsWith(PREFIX2)) remember([recall()[0], fresh]);
      }
      note(who);
      if (isHidden) return;
      const told = describe(who);
      const key = JSON.stringify(told);
      if (key === given) return;
      given = key;
      if (isNew) agent("startSendingEvents");
      const isBare = !user && !who.group && !keys(who.traits)[0];
      if (!isBare || told.visitor.id !== agent("getVisitorId")) agent("identify", told);
      if (user) held.splice(0).forEach(sendTrack);
    };
    const watch2 = () => {
      const present = presentPerson();
      if (present.user === person.user || waiting3[0]) return;
      person = present;
      if (status === READY) apply(present);
      else start();
    };
    const start = () => {
      if (status !== IDLE || !person.user && hidesUnknown) return;
      status = LOADING;
      const told = describe(person);
      const wish = (analytics.loadOnlyIntegrations || {}).Pendo || {};
      const options = assign({ dataHost: pendoHost(config, "data") }, clone(config.agentOptions), clone(wish.agentOptions), told);
      note(person);
      forgetStranger(told.visitor.id);
      const pendo = page.pendo = page.pendo || {};
      const hasStub = isFunction(pendo.initialize);
      const isJoined = hasStub || document.querySelector('script[src*="/agent/static/"]');
      const queue = pendo._q = pendo._q || [];
      if (!agent("isReady") && ![].some.call(queue, (entry) => entry[0] === "initialize")) {
        given = JSON.stringify(told);
        if (hasStub) agent("initialize", options);
        else {
          for (const name2 of ["identify", "updateOptions", "pageLoad", "track"]) pendo[name2] = (...rest) => pendo._q.push([name2, ...rest]);
          queue.unshift(["initialize", options]);
        }
      }
      let hasArrived = !!isJoined;
      if (!isJoined) {
        const script2 = document.createElement("script");
        const nonced = document.querySelector("script[nonce]");
        if (nonced) script2.nonce = nonced.nonce;
        script2.src = `${pendoHost(config, "content")}/agent/static/${config.apiKey}/pendo.js`;
        script2.onload = () => hasArrived = true;
        script2.onerror = () => fail("blocked");
        document.head.appendChild(script2);
      }
      const since = now();
      const look = (waitedMs) => {
        if (status !== LOADING) return;
        const ms = now() - since;
        if (agent("isReady") === true) {
          status = READY;
          report(ms > SLOW_MS ? "slow" : "loaded", ms);
          if (given || person.user) apply(person);
          waiting3.splice(0).forEach(take);
        } else if (waitedMs < READY_MS) {
          setTimeout(look, LOOK_MS2, hasArrived && document.readyState !== "complete" ? waitedMs : waitedMs + LOOK_MS2);
        } else fail(hasArrived ? "failed" : "slow");
      };
      look(0);
    };
    const fail = (state) => {
      if (status !== LOADING) return;
      status = OFF;
      hasFailed = true;
      waiting3 = [];
      log(ERROR, "Pendo's agent:", state);
      report(state);
    };
    const report = (state, ms) => {
      const [base, writeKey2] = home;
      const body = JSON.stringify({ destination: id, state, ms });
      const url2 = base + "/lib/health?writeKey=" + encodeURIComponent(writeKey2);
      request(url2, { method: "POST", body, keepalive: true }, READY_MS).catch(() => {
      });
    };
    const forgetStranger = (own) => {
      attempt(() => {
        const key = (name2) => `_pendo_${name2}.${config.apiKey}`;
        const kept = JSON.parse(localStorage.getItem(key("visitorId"))).value;
        if (kept === own || kept.startsWith(PREFIX2)) return;
        for (const name2 of ["visitorId", "accountId", "oldVisitorId", "meta"]) localStorage.removeItem(key(name2));
      });
    };
    const flush2 = () => {
      clearTimeout(flushTimer);
      flushTimer = 0;
      if (status === READY) agent("flushNow");
    };
    const take = (parcel) => {
      if (status === READY) attempt(() => handle(parcel));
      else if (status !== OFF) {
        pushBounded(waiting3, parcel, WAITING_MAX, ({ message }) => message.type);
        if (status === IDLE) {
          person = presentPerson();
          start();
        }
      }
    };
    const handle = ({ message, own }) => {
      const { type } = message;
      const present = presentPerson();
      const user = idOf(message.userId);
      const isEarly = !user && !isNamed && person.user && person.user === present.user;
      if (user !== person.user && !isEarly) {
        person = user === present.user ? present : { user, traits: {}, group: "", groupTraits: {} };
      }
      const isPresent = person.user === present.user;
      if (user) isNamed = true;
      person.traits = isPresent ? present.traits : (message.context || {}).traits || {};
      if (type === "track") {
        if (isHybrid || !user && config.anonymousVisitors === "skip") return;
        if (!idOf(message.event)) return log(WARN, "Pendo: a track without a name");
        if (!person.user && hidesUnknown) return pushBounded(held, message, WAITING_MAX, () => type);
        apply(person);
        sendTrack(message);
        if (!isPresent) apply(present);
      } else if (type === "page") {
        if (config.pageLoad) agent("pageLoad");
      } else {
        if (type === "group") {
          if (isPresent && !present.group) person.group = "";
          join(idOf(message.groupId), message.traits || {}, own);
        }
        if (isPresent) apply(person);
      }
    };
    const join = (group, merged, own) => {
      const known = accounts[group] || group && group === person.group && person.groupTraits || accounts[""] || {};
      const traits = own ? merge(known, own) : seesOwn && accounts[group] ? known : merge(known, merged);
      accounts[group] = traits;
      if (!group) return;
      assign(person, { group, groupTraits: traits });
      delete accounts[""];
    };
    const sendTrack = (message) => {
      agent("track", idOf(message.event), message.properties || {});
      flushTimer = flushTimer || setTimeout(flush2, FLUSH_MS);
    };
    const watchGroupCalls = () => {
      const sdk = page.rudderanalytics;
      const original = sdk.group;
      sdk.group = (...rest) => {
        attempt(() => {
          const isBare = isObject(rest[0]) || rest[0] == null;
          const group = isBare ? "" : idOf(rest[0]);
          const traits = rest[isBare ? 0 : 1];
          if (isObject(traits)) accounts[group] = merge(accounts[group] || {}, clone(traits));
        });
        return original.apply(sdk, rest);
      };
      seesOwn = sdk.group !== original;
    };
    return {
      name: "PENDO",
      init() {
        setLevel(analytics.logLevel);
        if (isTaken) {
          status = OFF;
          return log(ERROR, "a page has one Pendo agent; another destination is not used");
        }
        isTaken = true;
        const [, , group, traits] = recall();
        const present = idOf(analytics.getGroupId());
        if (present) accounts[present] = group === present ? traits : clone(analytics.getGroupTraits() || {});
        person = presentPerson();
        if (!isOurs) attempt(watchGroupCalls);
        setInterval(() => attempt(watch2), WATCH_MS);
        on(document, "visibilitychange", flush2);
        on(window, "pagehide", flush2);
        start();
      },
      /** For v3; throws when the agent failed, which ends v3's wait at once. */
      isReady() {
        if (hasFailed && !isPolled) throw Error("no Pendo agent");
        return status !== LOADING;
      },
      /** For v2, which must not see an exception. */
      isLoaded() {
        isPolled = true;
        return status !== LOADING;
      },
      identify: take,
      track: take,
      page: take,
      group: take,
      alias: () => log(DEBUG, "Pendo has no alias"),
      /** Hybrid: under which id the agent knows somebody unknown, so that the server uses the same. */
      getDataForIntegrationsObject: () => isHybrid && !idOf(analytics.getUserId()) ? { Pendo: { visitorId: anonymousVisitor(analytics.getAnonymousId()) } } : {},
      watch: watch2,
      /** Consent was withdrawn: nothing more is collected. */
      stop() {
        status = OFF;
        waiting3 = [];
        agent("stopSendingEvents");
        agent("teardown");
      },
      /** Consent was given again. */
      resume() {
        if (hasFailed) return;
        status = IDLE;
        given = "";
        person = presentPerson();
        agent("startSendingEvents");
        start();
      }
    };
  };

  // src/devices.ts
  var LOOK_MS3 = 50;
  var READY_MS2 = 11e3;
  var say = (level) => (...words) => log(level, ...words);
  var LOGGER = { log: say(0), info: say(1), debug: say(DEBUG), warn: say(WARN), error: say(ERROR) };
  var devices = [];
  var waiting = [];
  var waitingMax = 100;
  var custom = {};
  var limitWaiting = (max2) => {
    waitingMax = max2;
  };
  var addCustom = (id, integration) => {
    custom[id] = integration;
  };
  var adapt = (own, config, analytics) => {
    const adapted = {
      init: () => tell(own, "init", config, analytics, LOGGER),
      isReady: () => own.isReady(analytics, LOGGER)
    };
    for (const type of ["identify", "track", "page", "group", "alias"]) {
      adapted[type] = ({ message }) => tell(own, type, analytics, LOGGER, { message });
    }
    return adapted;
  };
  var openDevices = (destinations, overrides, integrations, analytics, home, ready) => {
    for (const { id, enabled, config: own, destinationDefinition } of destinations) {
      const name2 = destinationDefinition.displayName;
      const override = overrides.find((one) => one.id === id) || {};
      const config = merge(own, override.config || {});
      const isAllowed = (override.enabled === void 0 ? enabled : override.enabled) !== false && config.connectionMode !== "cloud" && isIntegrated(integrations, name2) && isConsented(config);
      const known = devices.find((one) => one.id === id);
      if (known) {
        if (known.isAllowed !== isAllowed) tell(known.integration, isAllowed ? "resume" : "stop");
        known.isAllowed = isAllowed;
      } else if (isAllowed) {
        const integration = name2 === "Pendo" ? createPendo(config, analytics, id, home, true) : custom[id] && adapt(custom[id], config, analytics);
        if (integration) {
          waiting = waiting || [];
          devices.push({ id, name: name2, config, integration, isAllowed });
          tell(integration, "init");
        } else log(ERROR, "no integration for", name2);
      }
    }
    watch(ready, 0);
  };
  var watch = (ready, waitedMs) => {
    devices = devices.filter((device) => {
      try {
        device.isReady = device.isReady || device.integration.isReady();
        if (device.isReady || waitedMs < READY_MS2) return true;
      } catch (_) {
      }
      return log(ERROR, device.name, "is not available");
    });
    if (devices.some((device) => !device.isReady)) setTimeout(watch, LOOK_MS3, ready, waitedMs + LOOK_MS3);
    else {
      const events = waiting || [];
      waiting = void 0;
      events.forEach(toDevices);
      ready();
    }
  };
  var toDevices = (handed) => {
    if (waiting) return pushBounded(waiting, handed, waitingMax, ([message2]) => message2.type);
    const [message, own] = handed;
    for (const { integration, name: name2, config, isAllowed } of devices) {
      if (isAllowed && isIntegrated(message.integrations, name2) && passesList(config, message)) {
        tell(integration, message.type, { message: clone(message), own });
      }
    }
  };
  var forgetWaiting = () => {
    if (waiting) waiting = [];
  };
  var watchDevices = () => {
    for (const device of devices) tell(device.integration, "watch");
  };
  var nameVisitor = (message) => {
    if (message.userId || !isIntegrated(message.integrations, "Pendo")) return;
    const visitorId = anonymousVisitor(message.anonymousId);
    if (visitorId !== PREFIX2 + message.anonymousId || devices.some((one) => one.config.connectionMode === "hybrid")) {
      message.integrations = merge(message.integrations, { Pendo: { visitorId } });
    }
  };

  // src/message.ts
  var name = "RudderLabs JavaScript SDK";
  var RESERVED_CONTEXT = ["library", "consentManagement", "userAgent", "ua-ch", "screen"];
  var RESERVED_TRAIT = /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;
  var custom2 = {};
  var customContext = () => clone(custom2);
  var clearCustomContext = () => {
    custom2 = {};
  };
  var setCustomContext = (given) => {
    custom2 = JSON.parse(JSON.stringify(mergeContext(custom2, given), (_, value) => value === null ? void 0 : value));
  };
  var mergeContext = (context, given) => {
    const copy = clone(given);
    if (isObject(copy) && !/"(constructor|prototype)":/.test(JSON.stringify(copy))) {
      for (const key of RESERVED_CONTEXT) if (delete copy[key] && key in given) log(WARN, "reserved:", key);
      return merge(context, copy);
    }
    log(WARN, "bad context:", given);
    return context;
  };
  var buildMessage = (call, session, version, installType, extra) => {
    const { type, id, traits, properties } = call;
    const options = isObject(call.options) ? call.options : {};
    const isPage = type === "page";
    const details = pageProperties();
    if (isPage) {
      for (const key of keys(details)) {
        if (properties[key] === void 0) properties[key] = (options.page || {})[key] || details[key];
        details[key] = properties[key] || details[key];
      }
    }
    const message = {
      // First, so that the queue sees it without reading the event.
      type,
      channel: "web",
      name: isPage ? call.name : void 0,
      category: call.category,
      originalTimestamp: iso(),
      messageId: uuid(),
      userId: type === "identify" && id || (type === "alias" && id != null ? id : read("userId") || ""),
      anonymousId: read("anonymousId") || uuid(),
      previousId: call.from,
      event: null,
      properties: properties === void 0 ? null : properties,
      integrations: { All: true },
      context: merge(
        assign(
          {
            // With storage type `none` an identify still carries what it was given.
            traits: read("userTraits") || type === "identify" && traits || {},
            sessionId: session.id,
            sessionStart: session.sessionStart || void 0,
            app: { name, namespace: "com.rudderlabs.javascript", version, installType },
            library: { name, version, variant: "sternpost", snippetVersion: page.RudderSnippetVersion },
            page: details
          },
          browserContext(),
          extra
        ),
        custom2
      )
    };
    if (type === "group") {
      message.groupId = id || read("groupId") || void 0;
      message.traits = read("groupTraits") || traits || {};
    }
    if (type === "track") {
      const event = typeof call.name === "number" ? String(call.name) : call.name;
      if (isString(event) && event) message.event = event;
      else log(WARN, "track needs a name");
    }
    for (const key of keys(options)) {
      const value = options[key];
      if (/^(anonymousId|originalTimestamp)$/.test(key)) {
        if (isString(value) && value) message[key] = value;
      } else if (key === "integrations") {
        if (isObject(value) && keys(value).length) message[key] = value;
      } else {
        message.context = mergeContext(message.context, key === "context" ? value : { [key]: value });
      }
    }
    for (const key of keys(assign({}, message.properties, message.traits, message.context.traits))) {
      if (RESERVED_TRAIT.test(key)) log(WARN, "reserved:", key);
    }
    return clone(message);
  };

  // src/session.ts
  var ENTRY = "sessionInfo";
  var TIMEOUT_MS3 = 18e5;
  var CUT_OFF_MS = 432e5;
  var whole = (value, otherwise) => Number.isInteger(value) && value >= 0 ? value : otherwise;
  var info = () => read(ENTRY) || {};
  var isLive = (session) => now() <= session.expiresAt && !(session.cutOff && now() > session.cutOff.expiresAt);
  var renew = (given) => {
    const session = assign({}, given);
    const { cutOff } = session;
    if (!isLive(session)) {
      session.id = now();
      delete session.sessionStart;
      if (cutOff) session.cutOff = assign({}, cutOff, { expiresAt: now() + cutOff.duration });
    }
    session.expiresAt = now() + session.timeout;
    return session;
  };
  var openSession = (options) => {
    const stored = info();
    const timeout = whole(options.timeout, TIMEOUT_MS3);
    if (timeout < 1e4) log(WARN, "sessions.timeout", timeout);
    if (stored.manualTrack) return;
    if (options.autoTrack === false || !timeout) return write(ENTRY);
    const { enabled, duration } = options.cutOff;
    let cutOff = enabled === true ? { enabled, duration: whole(duration, CUT_OFF_MS) } : void 0;
    if (cutOff && cutOff.duration < timeout) cutOff = log(WARN, "sessions.cutOff", duration);
    write(ENTRY, renew(assign({}, stored, { autoTrack: true, timeout, cutOff: cutOff && assign({}, stored.cutOff, cutOff) })));
  };
  var touchSession = () => {
    let session = info();
    if (!session.id) return session;
    session = session.autoTrack ? renew(session) : assign({}, session);
    session.sessionStart = session.sessionStart === void 0;
    write(ENTRY, session);
    return session;
  };
  var resetSession = () => {
    const session = info();
    if (session.autoTrack) write(ENTRY, renew(assign({}, session, { expiresAt: 0 })));
    else if (session.manualTrack) startSession(now());
  };
  var startSession = (id) => {
    const isValid = whole(id, 0) > 999999999;
    if (!isValid) log(WARN, "startSession", id);
    write(ENTRY, { id: isValid ? id : now(), manualTrack: true });
  };
  var endSession = () => write(ENTRY);
  var sessionId = () => {
    const session = info();
    return (session.manualTrack || isLive(session)) && session.id || null;
  };

  // src/version.ts
  var VERSION = "0.1.0";

  // src/sdk.ts
  var DEFAULTS = {
    integrations: { All: true },
    sessions: { cutOff: {} },
    storage: { entries: {} },
    sameSiteCookie: "Lax",
    anonymousIdOptions: { autoCapture: {} },
    queueOptions: { minRetryDelay: 1e3, maxRetryDelay: 36e4, backoffFactor: 2, backoffJitter: 0.5, maxItems: 1e3, batch: {} },
    destinationsQueueOptions: { maxItems: 100 },
    preConsent: { storage: {}, events: {} },
    autoTrack: { pageLifecycle: {} },
    sourceConfigurationOverride: { destinations: [] }
  };
  var RESET = { userId: true, userTraits: true, groupId: true, groupTraits: true, sessionInfo: true, authToken: true };
  var CONFIG_MS = 1e3;
  var LARGE = 32768;
  var createSdk = (origin, installType) => {
    const sdk = {};
    const startedAt = now();
    let options = DEFAULTS;
    let integrations = DEFAULTS.integrations;
    const extra = {};
    let writeKey2 = "";
    let dataPlaneUrl = "";
    let config;
    let isOpen2 = false;
    let isReady = false;
    let isDisabled = false;
    let isBlocked = false;
    let preConsent;
    let held;
    const early = [];
    const readyCalls = [];
    const emit = (call) => {
      if (isDisabled) return;
      extra.consentManagement = consentContext();
      const message = buildMessage(call, touchSession(), VERSION, installType, extra);
      if (options.useGlobalIntegrationsConfigInEvents === true) message.integrations = clone(integrations);
      nameVisitor(message);
      if (held) held.push(message);
      else send2(message);
      toDevices([message, call.type === "group" ? call.traits || {} : void 0]);
      if (call.callback) run(call.callback, assign({ sentAt: iso() }, message));
    };
    const run = (callback, given) => {
      try {
        callback(given);
      } catch (cause) {
        log(ERROR, cause);
      }
    };
    const send2 = (message) => {
      const text2 = JSON.stringify(message, function(_, value) {
        return value === null && !isList(this) ? void 0 : value;
      });
      if (text2.length > LARGE) {
        const parts = assign({}, message.context, message.traits, message.properties);
        const size = (key) => JSON.stringify(parts[key]).length;
        log(WARN, "a large event:", keys(parts).sort((left, right) => size(right) - size(left))[0]);
      }
      enqueue(text2);
      nudge();
    };
    const name2 = (call, idEntry, traitsEntry) => {
      const { id, traits } = call;
      if (id !== null) write(idEntry, id || "");
      write(traitsEntry, traits ? merge(read(traitsEntry) || {}, traits) : {});
      emit(call);
    };
    const HANDLERS = {
      identify(call) {
        const known = read("userId");
        if (call.id && known && call.id !== known) reset();
        name2(call, "userId", "userTraits");
      },
      group: (call) => name2(call, "groupId", "groupTraits"),
      track: emit,
      page(call) {
        emit(call);
        if (isBlocked) {
          emit(readCall("page", ["RudderJS-Initiated", "ad-block page request", { path: "/ad-blocked" }, options.sendAdblockPageOptions]));
        }
      },
      alias(call) {
        if (call.from === void 0) call.from = read("userId") || read("anonymousId");
        emit(call);
      }
    };
    const reset = (given) => {
      const entries = assign({}, RESET, given === true && { anonymousId: true }, isObject(given) && given.entries);
      for (const entry of ENTRIES) {
        if (isBoolean(entries[entry]) ? !entries[entry] : !RESET[entry]) continue;
        if (entry === "sessionInfo") resetSession();
        else write(entry, entry === "anonymousId" ? uuid() : "");
      }
    };
    const isBoolean = (value) => typeof value === "boolean";
    const storageType = (entry) => {
      const { type, entries } = options.storage;
      const own = (entries[entry] || {}).type || type;
      if (preConsent) {
        const { strategy, enabled } = preConsent.storage;
        if (!(enabled === true ? own : strategy && entry.startsWith(strategy))) return "memoryStorage";
      }
      return own || "cookieStorage";
    };
    const openIdentity = () => {
      openStorage(options, storageType);
      const types = ENTRIES.map(storageType);
      extra.trulyAnonymousTracking = types.every((type) => type === (preConsent ? "memoryStorage" : "none")) || void 0;
      const external = isString(options.externalAnonymousIdCookieName) && readCookie(options.externalAnonymousIdCookieName);
      if (external) write("anonymousId", external);
      anonymousId(options.anonymousIdOptions);
      const from = read("initialReferrer") || referrer();
      write("initialReferrer", from);
      write("initialReferringDomain", read("initialReferringDomain") || hostOf(from));
      openSession(options.sessions);
    };
    const anonymousId = (wish) => {
      let id = read("anonymousId");
      if (!id) {
        const { enabled, source } = (wish || {}).autoCapture || {};
        const key = "ajs_anonymous_id";
        if (enabled === true && source === "segment") id = attempt(() => localStorage.getItem(key)) || readCookie(key);
        write("anonymousId", id = id && id.replace(/^"|"$/g, "") || uuid());
      }
      return id;
    };
    const httpUrl = (url2) => {
      const parsed = attempt(() => new URL(url2));
      return parsed && /^http/.test(parsed.protocol) ? parsed.href.replace(/\/+$/, "") : "";
    };
    const load = (key, url2, given) => {
      if (isOpen2) return;
      if (isObject(url2)) [url2, given] = [origin, url2];
      dataPlaneUrl = httpUrl(url2 || origin);
      if (!isString(key) || !key.trim() || !dataPlaneUrl) return log(ERROR, "load(writeKey, dataPlaneUrl)");
      isOpen2 = true;
      writeKey2 = key;
      readOptions(isObject(given) ? given : {});
      openQueue(key, options.queueOptions.maxItems);
      openDelivery(dataPlaneUrl, key, options.queueOptions);
      openIdentity();
      if (!preConsent) persist();
      trackLeaving();
      readHints(options.uaChTrackLevel, (hints) => extra["ua-ch"] = clone(hints));
      openConfig();
      for (const [method, rest] of early.splice(0)) sdk[method](...rest);
    };
    const readOptions = (given) => {
      const settle2 = (value, otherwise) => {
        if (isFunction(value)) return value;
        if (!isObject(otherwise)) return value == null ? otherwise : clone(value);
        const settled = assign({}, otherwise);
        for (const key of keys(isObject(value) ? value : {})) settled[key] = settle2(value[key], otherwise[key]);
        return settled;
      };
      options = settle2(given, DEFAULTS);
      integrations = options.integrations;
      setLevel(options.logLevel);
      if (options.useServerSideCookies) log(ERROR, "useServerSideCookies is not supported");
      if (options.context) setCustomContext(options.context);
      limitWaiting(options.destinationsQueueOptions.maxItems);
      setConsent(options.consentManagement, true);
      if (isConsentOpen() && options.preConsent.enabled === true) {
        preConsent = options.preConsent;
        if (options.preConsent.events.delivery === "buffer") held = [];
      } else askProvider();
    };
    const trackLeaving = () => {
      const { enabled, options: common, pageLifecycle } = options.autoTrack;
      const { enabled: own = enabled, events = [], options: wish = common } = pageLifecycle;
      if (own || enabled) extra.autoTrack = own ? { page: { pageViewId: uuid() } } : {};
      if (!own || events[0] && !events.includes("Page Unloaded")) return;
      window.addEventListener("pagehide", () => sdk.track("Page Unloaded", { timeOnPage: now() - startedAt }, wish), true);
    };
    const openConfig = () => {
      const base = httpUrl(options.configUrl || origin || dataPlaneUrl);
      if (!base) log(ERROR, "configUrl:", options.configUrl);
      const authorization = basicAuth(writeKey2);
      if (options.sendAdblockPage === true) {
        fetch(base + "?view=ad", { method: "HEAD", headers: { Authorization: authorization } }).catch(() => isBlocked = true);
      }
      setTimeout(startDelivery, CONFIG_MS);
      if (!base && !options.getSourceConfig) return;
      const address = base && configAddress(base, { p: installType, v: VERSION, writeKey: writeKey2 });
      fetchConfig(address, authorization, options.getSourceConfig, startDelivery).then((answer) => attempt(() => takeConfig(answer)));
    };
    const takeConfig = (answer) => {
      if (answer.source.enabled === false) {
        isDisabled = true;
        settle(queued());
        return log(ERROR, "The source is disabled");
      }
      config = answer;
      setStrategies(answer.consentManagementMetadata);
      startDelivery();
      if (isFunction(options.onLoaded)) run(options.onLoaded, sdk);
      announce("RSA_Initialised");
      if (preConsent) becomeReady();
      else loadDevices();
    };
    const loadDevices = () => {
      if (!config) return;
      const analytics = assign({ loadOnlyIntegrations: integrations, logLevel: options.logLevel }, sdk);
      const overrides = options.sourceConfigurationOverride.destinations;
      openDevices(config.source.destinations, overrides, integrations, analytics, [origin || dataPlaneUrl, writeKey2], becomeReady);
    };
    const becomeReady = () => {
      if (isReady) return;
      isReady = true;
      for (const callback of readyCalls) run(callback);
      announce("RSA_Ready");
    };
    const announce = (event) => {
      const shape = { detail: { analyticsInstance: sdk }, bubbles: true, cancelable: true, composed: true };
      document.dispatchEvent(new CustomEvent(event, shape));
    };
    const consent = (given) => {
      const wish = isObject(given) ? clone(given) : {};
      preConsent = void 0;
      setConsent(wish.consentManagement, false);
      askProvider();
      if (isObject(wish.storage)) options = merge(options, { storage: wish.storage });
      integrations = wish.integrations || integrations;
      openIdentity();
      persist();
      const waiting3 = held || [];
      held = void 0;
      if (wish.discardPreConsentEvents === true) forgetWaiting();
      else waiting3.forEach(send2);
      loadDevices();
      if (wish.trackConsent === true) sdk.track("Consent Management Interaction");
      if (wish.sendPageEvent === true) sdk.page();
    };
    const commands = {
      ready(callback) {
        if (!isFunction(callback)) log(ERROR, "ready takes a function");
        else if (isReady) run(callback);
        else readyCalls.push(callback);
      },
      reset(given) {
        reset(given);
        watchDevices();
      },
      setAnonymousId: (id) => write("anonymousId", isString(id) && id ? id : uuid()),
      startSession,
      endSession,
      consent,
      setAuthToken: (token) => write("authToken", token),
      setCustomContext,
      clearCustomContext,
      setDefaultInstanceKey() {
      },
      // These two are not kept for after load.
      load,
      addCustomIntegration: addCustom
    };
    for (const type of keys(HANDLERS)) commands[type] = (...given) => HANDLERS[type](readCall(type, given));
    for (const method of keys(commands)) {
      sdk[method] = (...given) => {
        try {
          if (isOpen2 || /^(load|add)/.test(method)) commands[method](...given);
          else early.push([method, given]);
        } catch (cause) {
          log(ERROR, method, cause);
        }
      };
    }
    const getters = {
      getAnalyticsInstance: () => sdk,
      getAnonymousId: (wish) => isOpen2 ? anonymousId(wish) : void 0,
      getUserId: () => read("userId") || "",
      getUserTraits: () => clone(read("userTraits") || {}),
      getGroupId: () => read("groupId") || "",
      getGroupTraits: () => clone(read("groupTraits") || {}),
      getSessionId: sessionId,
      getCustomContext: customContext
    };
    return assign(sdk, getters);
  };
  var queryCalls = (search) => {
    const query = new URLSearchParams(search);
    const values = (prefix2) => {
      const found = {};
      query.forEach((value, key) => {
        if (key.startsWith(prefix2)) found[key.slice(prefix2.length)] = value;
      });
      return found;
    };
    const calls = [];
    const [id, user, event] = ["aid", "uid", "event"].map((key) => query.get("ajs_" + key));
    const traits = values("ajs_trait_");
    if (id) calls.push(["setAnonymousId", id]);
    if (user) calls.push(["identify", user, traits]);
    else if (keys(traits)[0]) calls.push(["identify", traits]);
    if (event) calls.push(["track", event, values("ajs_prop_")]);
    return calls;
  };

  // src/global.ts
  var script = document.currentScript;
  var waiting2 = page.rudderanalytics;
  if (!waiting2 || isList(waiting2)) {
    const sdk = createSdk(script && attempt(() => new URL(script.src).origin) || "", "cdn");
    page.rudderanalytics = sdk;
    const call = ([name2, ...given]) => {
      if (isFunction(sdk[name2])) sdk[name2](...given);
    };
    const calls = waiting2 ? waiting2.slice() : [];
    const at = calls.findIndex((one) => one[0] === "load");
    const loads = at < 0 ? [] : calls.splice(at, 1);
    const isConsent = (one) => one[0] === "consent";
    queryCalls(location.search).concat(calls.filter(isConsent), calls.filter((one) => !isConsent(one))).forEach(call);
    loads.forEach(call);
    if (waiting2) waiting2.push = call;
  }
})();
