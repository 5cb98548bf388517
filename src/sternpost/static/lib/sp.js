/*! Sternpost browser SDK, Apache-2.0 */
"use strict";
(() => {
  // src/util.ts
  var isString = (value) => typeof value === "string";
  var isFunction = (value) => typeof value === "function";
  var isObject = (value) => ({}).toString.call(value) === "[object Object]";
  var isFilled = (value) => isObject(value) && Object.keys(value).length > 0;
  var isList = Array.isArray;
  var noop = () => {
  };
  var now = () => Date.now();
  var iso = () => (/* @__PURE__ */ new Date()).toISOString();
  var attempt = (make) => {
    try {
      return make();
    } catch (_) {
      return void 0;
    }
  };
  var tell = (object, name, ...args) => attempt(() => isFunction(object[name]) && object[name](...args));
  var uuid = () => (
    // randomUUID exists on secure pages only.
    attempt(() => crypto.randomUUID()) || "10000000-1000-4000-8000-100000000000".replace(
      /[018]/g,
      (digit) => (+digit ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> +digit / 4).toString(16)
    )
  );
  var clone = (value) => {
    const parents = [];
    const text2 = attempt(
      () => JSON.stringify(value, function(key, entry) {
        while (parents.length && parents[parents.length - 1] !== this) parents.pop();
        if (parents.includes(entry)) return "[Circular Reference]";
        if (typeof entry === "bigint") return "[BigInt]";
        if (entry && typeof entry === "object") parents.push(entry);
        return key === "__proto__" ? void 0 : entry;
      })
    );
    return text2 === void 0 ? void 0 : JSON.parse(text2);
  };
  var merge = (left, right) => {
    const lists = isList(left) && isList(right);
    if (!lists && !(isObject(left) && isObject(right))) return right;
    const merged = lists ? left.slice() : Object.assign({}, left);
    for (const key of Object.keys(right)) merged[key] = merge(merged[key], right[key]);
    return merged;
  };
  var base64 = (text2) => {
    let bytes = "";
    new TextEncoder().encode(text2).forEach((byte) => bytes += String.fromCharCode(byte));
    return btoa(bytes);
  };
  var unbase64 = (text2) => new TextDecoder().decode(Uint8Array.from(atob(text2), (char) => char.charCodeAt(0)));
  var on = (target, name, listener) => target.addEventListener(name, listener);
  var parse = (text2) => attempt(() => JSON.parse(text2));

  // src/calls.ts
  var text = (value) => isString(value) || value == null ? value : JSON.stringify(value);
  var readCall = (type, given) => {
    const at = given.findIndex(isFunction);
    const callback = at < 0 ? void 0 : given[at];
    const [a, b, c, d] = (at < 0 ? given : given.slice(0, at)).map(clone);
    const call = (rest) => Object.assign({ type, callback }, rest);
    if (type === "track") return call({ name: a, properties: b == null ? {} : b, options: c });
    if (type === "alias") {
      const shifted2 = isObject(b) || b === null;
      return call({ id: text(a), from: shifted2 ? void 0 : text(b), options: shifted2 ? b : c });
    }
    if (type === "page") {
      if (isObject(a)) return page(call({ properties: a, options: b }));
      if (isObject(b)) return page(call({ name: isString(a) ? a : void 0, properties: b, options: c }));
      const alone = isString(a) && !isString(b);
      return page(call({ name: alone ? a : b, category: alone ? void 0 : a, properties: c, options: d }));
    }
    const shifted = isObject(a) || a === null;
    const traits = shifted ? a : b;
    return call({ id: shifted ? null : text(a), traits: isObject(traits) ? traits : void 0, options: shifted ? b : c });
  };
  var page = (call) => {
    const properties = isObject(call.properties) ? call.properties : {};
    if (isString(call.name) && call.name) properties.name = call.name;
    if (isString(call.category) && call.category) properties.category = call.category;
    call.properties = properties;
    return call;
  };

  // src/log.ts
  var LEVELS = ["LOG", "INFO", "DEBUG", "WARN", "ERROR", "NONE"];
  var level = 4;
  var setLevel = (name) => {
    const found = LEVELS.indexOf(name);
    if (found >= 0) level = found;
  };
  var out = (lowest, method, words) => {
    if (level <= lowest) console[method]("Sternpost:", ...words);
  };
  var debug = (...words) => out(2, "debug", words);
  var warn = (...words) => out(3, "warn", words);
  var error = (...words) => out(4, "error", words);
  var alarm = (...words) => out(4, "warn", words);

  // src/config.ts
  var TIMEOUT_MS = 1e4;
  var RETRY_MS_MAX = 6e4;
  var configAddress = (base, writeKey2, version, installType) => {
    const url2 = new URL(base);
    const path = url2.pathname.replace(/\/+$/, "");
    if (!path.endsWith("/sourceConfig")) url2.pathname = path + "/sourceConfig/";
    const extra = { p: installType, v: version, writeKey: writeKey2 };
    for (const key of Object.keys(extra)) if (!url2.searchParams.has(key)) url2.searchParams.set(key, extra[key]);
    return url2.href;
  };
  var isSound = (config) => isObject(config) && isObject(config.source) && config.source.id != null && isList(config.source.destinations);
  var fetchConfig = (address, writeKey2, own, take, failed, waitMs2 = 1e3) => {
    const ask = async () => {
      if (isFunction(own)) return own();
      const stop = new AbortController();
      const clock = setTimeout(() => stop.abort(), TIMEOUT_MS);
      const headers = { Accept: "application/json", Authorization: "Basic " + btoa(writeKey2 + ":") };
      const answer = await fetch(address, { headers, signal: stop.signal });
      const body = await answer.json();
      clearTimeout(clock);
      if (!answer.ok) throw JSON.stringify(body);
      return body;
    };
    ask().then((answer) => {
      const config = isString(answer) ? parse(answer) : answer;
      if (!isSound(config)) throw "not a source configuration";
      return config;
    }).then(
      (config) => attempt(() => take(config)),
      (cause) => {
        error("no source configuration:", cause);
        failed();
        setTimeout(fetchConfig, waitMs2, address, writeKey2, own, take, failed, Math.min(waitMs2 * 2, RETRY_MS_MAX));
      }
    );
  };

  // src/consent.ts
  var OLD_KEYS = {
    oneTrust: ["oneTrustCookieCategories", "oneTrustCookieCategory", "and"],
    ketch: ["ketchConsentPurposes", "purpose", "or"]
  };
  var provider;
  var allowed = [];
  var denied = [];
  var known = false;
  var strategies = [];
  var page2 = () => window;
  var split = (purposes) => {
    allowed = Object.keys(purposes).filter((id) => purposes[id]);
    denied = Object.keys(purposes).filter((id) => !purposes[id]);
    known = true;
  };
  var READERS = {
    custom: () => {
    },
    oneTrust: () => {
      const ids = {};
      for (const group of page2().OneTrust.GetDomainData().Groups) ids[group.CustomGroupId] = false;
      for (const id of page2().OnetrustActiveGroups.split(",")) if (id) ids[id] = true;
      split(ids);
    },
    ketch: () => split(page2().ketchConsent),
    iubenda: () => split(page2()._iub.cs.consent.purposes)
  };
  var setConsent = (options, first) => {
    if (first) {
      provider = void 0;
      if (!options || options.enabled !== true) return;
      provider = options.provider;
      if (!(provider in READERS)) {
        error("consent provider " + provider + " is not supported");
        provider = void 0;
      }
    }
    if (!provider) return;
    const given = isObject(options) ? options : {};
    known = [given.allowedConsentIds, given.deniedConsentIds].some((ids) => isList(ids) || isFilled(ids));
    if (known) {
      allowed = given.allowedConsentIds || [];
      denied = given.deniedConsentIds || [];
    }
  };
  var askProvider = () => {
    if (provider && !known) attempt(READERS[provider]);
  };
  var consentEnabled = () => !!provider;
  var consentKnown = () => known;
  var setStrategies = (metadata) => {
    strategies = metadata && metadata.providers || [];
  };
  var strategy = () => {
    const entry = strategies.find((one) => one.provider === provider);
    return provider === "custom" ? void 0 : entry && entry.resolutionStrategy || "and";
  };
  var consentContext = () => provider && { deniedConsentIds: denied, allowedConsentIds: allowed, provider, resolutionStrategy: strategy() };
  var isConsented = (config) => {
    if (!provider || !known) return true;
    const entries = config.consentManagement;
    let rule = strategy();
    let ids = [];
    if (isList(entries)) {
      const entry = entries.find((one) => one.provider === provider) || {};
      ids = (entry.consents || []).map((one) => one.consent);
      if (provider === "custom" || provider === "iubenda") rule = entry.resolutionStrategy || rule;
    } else if (OLD_KEYS[provider]) {
      const [list, key, old] = OLD_KEYS[provider];
      ids = (config[list] || []).map((one) => one[key]);
      rule = old;
    }
    const wanted = ids.map((id) => String(id).trim()).filter(Boolean);
    const isAllowed = (id) => allowed.includes(id);
    return !wanted.length || (rule === "or" ? wanted.some(isAllowed) : wanted.every(isAllowed));
  };

  // src/storage.ts
  var KEYS = {
    userId: "rl_user_id",
    userTraits: "rl_trait",
    groupId: "rl_group_id",
    groupTraits: "rl_group_trait",
    anonymousId: "rl_anonymous_id",
    initialReferrer: "rl_page_init_referrer",
    initialReferringDomain: "rl_page_init_referring_domain",
    sessionInfo: "rl_session",
    authToken: "rl_auth_token"
  };
  var ENTRIES = Object.keys(KEYS);
  var PREFIX = "RS_ENC_v3_";
  var TYPES = ["cookieStorage", "localStorage", "sessionStorage", "memoryStorage"];
  var YEAR_S = 31536e3;
  var stores;
  var slots = {};
  var readCookie = (name) => {
    const found = attempt(() => ("; " + document.cookie).split("; " + name + "=")[1]);
    return found === void 0 ? null : attempt(() => decodeURIComponent(found.split(";")[0])) || null;
  };
  var cookieStore = (options) => {
    const cookie = Object.assign(
      { maxage: YEAR_S * 1e3, path: "/", samesite: options.sameSiteCookie || "Lax", secure: options.secureCookie },
      options.storage.cookie
    );
    let domain = cookie.domain || options.setCookieDomain;
    const set = (name, text2) => {
      attempt(
        () => document.cookie = `${name}=${encodeURIComponent(text2)};max-age=${text2 ? cookie.maxage / 1e3 : 0};path=${cookie.path};samesite=${cookie.samesite}` + (domain ? ";domain=" + domain : "") + (cookie.secure ? ";secure" : "")
      );
    };
    const sticks = () => {
      set("rl_test", "1");
      const found = readCookie("rl_test");
      set("rl_test", "");
      return !!found;
    };
    if (!domain && !options.sameDomainCookiesOnly && !/^[\d.]+$|:/.test(location.hostname)) {
      const parts = location.hostname.split(".");
      for (let level2 = parts.length - 2; level2 >= 0; level2--) {
        domain = "." + parts.slice(level2).join(".");
        if (sticks()) break;
        domain = "";
      }
    }
    return sticks() ? { get: readCookie, set } : void 0;
  };
  var webStore = (name) => {
    const store2 = webStorage(name);
    return store2 && {
      get: (key) => attempt(() => store2.getItem(key)) || null,
      set: (key, text2) => attempt(() => text2 ? store2.setItem(key, text2) : store2.removeItem(key))
    };
  };
  var webStorage = (name) => attempt(() => (window[name].getItem("rl_test"), window[name]));
  var decode = (raw) => {
    if (raw === null) return void 0;
    return parse(raw.startsWith(PREFIX) ? attempt(() => unbase64(raw.slice(PREFIX.length))) || "" : raw);
  };
  var openStorage = (options, type, carry) => {
    stores = stores || [cookieStore(options), webStore("localStorage"), webStore("sessionStorage")];
    for (const entry of ENTRIES) {
      const before = carry && read(entry);
      const wish = type(entry) || TYPES[0];
      let chosen = TYPES.indexOf(wish);
      while (chosen >= 0 && chosen < 3 && !stores[chosen]) chosen++;
      if (chosen >= 0 && TYPES[chosen] !== wish) alarm(entry + " is kept in " + TYPES[chosen]);
      const store2 = stores[chosen];
      slots[entry] = { store: store2, kept: wish !== "none", raw: null, value: void 0 };
      for (const other of stores) {
        if (store2 && other && other !== store2) {
          const found = decode(other.get(KEYS[entry]));
          if (found) write(entry, found);
          other.set(KEYS[entry], "");
        }
      }
      if (before) write(entry, before);
    }
  };
  var read = (entry) => {
    const slot = slots[entry];
    if (!slot) return void 0;
    if (slot.store) {
      const raw = slot.store.get(KEYS[entry]);
      if (raw !== slot.raw) {
        slot.raw = raw;
        slot.value = decode(raw);
      }
    }
    return slot.value;
  };
  var write = (entry, value) => {
    const slot = slots[entry];
    if (!slot || !slot.kept) return;
    slot.value = value;
    if (slot.store) {
      const empty = !value || !(isString(value) || isFilled(value));
      slot.store.set(KEYS[entry], empty ? "" : PREFIX + base64(JSON.stringify(value)));
      slot.raw = slot.store.get(KEYS[entry]);
    }
  };

  // src/context.ts
  var host = (url2) => attempt(() => new URL(url2).host) || "";
  var referrer = () => document.referrer || "$direct";
  var initialReferrer = () => {
    const found = read("initialReferrer") || referrer();
    return [found, read("initialReferringDomain") || host(found)];
  };
  var pageProperties = () => {
    const { href, search } = location;
    const link = document.querySelector("link[rel=canonical]");
    const canonical = attempt(() => new URL(link.getAttribute("href")));
    const page4 = canonical || location;
    const from = referrer();
    return {
      path: page4.pathname,
      referrer: from,
      referring_domain: host(from),
      search,
      title: document.title,
      url: page4.origin + page4.pathname + (page4.search || search),
      tab_url: href,
      initial_referrer: read("initialReferrer") || "",
      initial_referring_domain: read("initialReferringDomain") || ""
    };
  };
  var campaign = () => {
    const found = {};
    new URLSearchParams(location.search).forEach((value, key) => {
      if (key.startsWith("utm_")) found[key === "utm_campaign" ? "name" : key.slice(4)] = value;
    });
    return found;
  };
  var browserContext = (properties) => {
    const page4 = pageProperties();
    for (const key of Object.keys(page4)) page4[key] = properties[key] || page4[key];
    return {
      userAgent: navigator.userAgent,
      os: { name: "", version: "" },
      locale: navigator.language,
      screen: {
        width: screen.width,
        height: screen.height,
        density: devicePixelRatio,
        innerWidth,
        innerHeight
      },
      campaign: campaign(),
      page: page4,
      timezone: (/[A-Z]+[+-]\d+/.exec(String(/* @__PURE__ */ new Date())) || ["NA"])[0]
    };
  };
  var readHints = (level2, take) => {
    const hints = navigator.userAgentData;
    if (!hints) return;
    if (level2 === "default") take(hints);
    if (level2 === "full") {
      hints.getHighEntropyValues(
        ["architecture", "bitness", "brands", "mobile", "model", "platform", "platformVersion", "uaFullVersion", "fullVersionList", "wow64"]
      ).then(take, () => {
      });
    }
  };

  // src/queue.ts
  var ALIVE_MS = 1e4;
  var LEFT_MS = 3e3;
  var tab = "";
  var prefix = "";
  var size = 0;
  var serial = 0;
  var store;
  var items = [];
  var queued = () => items;
  var openQueue = (writeKey2, max) => {
    tab = uuid();
    prefix = `sp_q.${writeKey2}.`;
    size = max;
  };
  var persist = () => {
    store = webStorage("localStorage") || webStorage("sessionStorage");
    for (const item of items) keep(item);
    adopt();
  };
  var keep = (item) => {
    if (store) item.stored = !!attempt(() => (store.setItem(item.key, item.text), true));
  };
  var enqueue = (text2, recovered = false) => {
    const item = { key: prefix + tab + "." + serial++, text: text2, stored: false, recovered, sending: false };
    keep(item);
    items.push(item);
    while (items.length > size) {
      const idle = items.filter((one) => !one.sending);
      const victim = idle.find((one) => /^{"type":"(track|page)/.test(one.text)) || idle[0];
      if (!victim) break;
      warn("the queue is full; an event was dropped");
      settle([victim]);
    }
    beat();
  };
  var settle = (done) => {
    items = items.filter((item) => !done.includes(item));
    for (const item of done) attempt(() => store.removeItem(item.key));
    beat();
  };
  var beat = (aliveMs = ALIVE_MS) => {
    attempt(
      () => items.length && aliveMs ? store.setItem(prefix + tab, String(now() + aliveMs)) : store.removeItem(prefix + tab)
    );
  };
  var leave = () => beat(items.some((item) => item.sending) ? LEFT_MS : 0);
  var adopt = () => {
    attempt(() => {
      const keys = Object.keys(store).filter((key) => key.startsWith(prefix));
      const parts = keys.map((key) => key.slice(prefix.length).split("."));
      parts.sort((left, right) => +left[1] - +right[1]);
      for (const [owner, number] of parts) {
        if (owner === tab || +store.getItem(prefix + owner) > now()) continue;
        const key = prefix + owner + (number ? "." + number : "");
        const text2 = store.getItem(key);
        store.removeItem(key);
        if (number && text2) enqueue(text2, true);
      }
    });
  };
  var comeBack = () => {
    items = items.filter((item) => !item.stored || attempt(() => store.getItem(item.key)) !== null);
    for (const item of items) item.sending = false;
    beat();
  };

  // src/delivery.ts
  var KEEPALIVE_BYTES = 6e4;
  var TIMEOUT_MS2 = 3e4;
  var LOOK_MS = 3e3;
  var WAIT_MS_MAX = 36e5;
  var url = "";
  var authorization = "";
  var writeKey = "";
  var retry = {};
  var batchMax = 100;
  var batchBytes = KEEPALIVE_BYTES;
  var open = false;
  var busy = false;
  var timer;
  var failures = 0;
  var firstFailure = 0;
  var lastFailure = 0;
  var reason = "";
  var openDelivery = (dataPlaneUrl, key, options) => {
    url = dataPlaneUrl;
    writeKey = key;
    authorization = "Basic " + btoa(key + ":");
    retry = options;
    const batch = options.batch || {};
    batchMax = batch.maxItems > 0 ? batch.maxItems : batchMax;
    batchBytes = Math.min(batch.maxSize > 0 ? batch.maxSize : batchBytes, batchBytes);
    on(document, "visibilitychange", () => document.visibilityState === "hidden" && flush());
    on(window, "pagehide", () => {
      flush();
      leave();
    });
    on(window, "pageshow", (event) => {
      if (event.persisted) {
        comeBack();
        busy = false;
        wake();
      }
    });
    on(window, "online", () => wake());
    setInterval(() => {
      if (queued().length) beat();
      adopt();
      send();
    }, LOOK_MS);
  };
  var startDelivery = () => {
    open = true;
    wake();
  };
  var stopDelivery = () => {
    open = false;
    settle(queued());
  };
  var nudge = () => {
    if (!timer) wake();
  };
  var wake = (afterMs = 0) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      send();
    }, afterMs);
  };
  var send = () => {
    if (!open || busy || timer) return;
    const batch = nextBatch();
    if (!batch.length) return;
    busy = true;
    post(batch).then(() => {
      busy = false;
      nudge();
    });
  };
  var flush = () => {
    for (let batch = nextBatch(); batch.length; batch = nextBatch()) post(batch, true);
  };
  var nextBatch = () => {
    const batch = [];
    let bytes = 50;
    for (const item of queued()) {
      if (item.sending) continue;
      bytes += new Blob([item.text]).size + 50;
      const first = batch[0];
      if (first && (batch.length >= batchMax || bytes > batchBytes || first.recovered !== item.recovered)) break;
      batch.push(item);
    }
    for (const item of batch) item.sending = true;
    return batch;
  };
  var post = (batch, leaving) => {
    const sentAt = iso();
    const events = batch.map((item) => item.text.slice(0, -1) + `,"sentAt":"${sentAt}"}`);
    const body = `{"batch":[${events}],"sentAt":"${sentAt}"}`;
    const headers = {
      Accept: "application/json",
      "Content-Type": "application/json;charset=UTF-8",
      Authorization: authorization,
      AnonymousId: base64(JSON.parse(batch[0].text).anonymousId),
      SentAt: sentAt
    };
    if (failures) {
      headers["Rsa-Retry-Attempt"] = failures;
      headers["Rsa-Retry-Reason"] = reason;
      headers["Rsa-Since-Last-Attempt"] = now() - lastFailure;
      headers["Rsa-Since-First-Attempt"] = now() - firstFailure;
    }
    if (batch[0].recovered) headers["Rsa-Recovered"] = true;
    const stop = new AbortController();
    const clock = setTimeout(() => stop.abort(), TIMEOUT_MS2);
    const keepalive = new Blob([body]).size < KEEPALIVE_BYTES + 4e3;
    return (attempt(() => fetch(url + "/v1/batch", { method: "POST", headers, body, keepalive, signal: stop.signal })) || Promise.reject()).then(
      (answer) => conclude(batch, answer.status, answer.headers.get("Retry-After")),
      () => {
        const beacon = `${url}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`;
        if (leaving && attempt(() => navigator.sendBeacon(beacon, body))) settle(batch);
        else conclude(batch, stop.signal.aborted ? -1 : 0, null);
      }
    ).then(() => clearTimeout(clock));
  };
  var conclude = (batch, status, retryAfter) => {
    for (const item of batch) item.sending = false;
    if (status > 0 && status < 400) {
      failures = 0;
      settle(batch);
    } else if (status < 1 || status === 408 || status === 429 || status > 499) {
      lastFailure = now();
      if (!failures++) firstFailure = lastFailure;
      reason = status > 0 ? "server-" + status : status ? "client-timeout" : "client-network";
      wake(Math.max(waitMs(retryAfter), backoffMs()));
    } else if (batch.length > 1 && (status === 413 || status === 400)) {
      batchMax = batch.length >> 1;
    } else {
      error("the server refused events with status " + status);
      settle(batch);
    }
  };
  var backoffMs = () => {
    const { minRetryDelay, backoffFactor, maxRetryDelay, backoffJitter } = retry;
    const full = Math.min(minRetryDelay * Math.pow(backoffFactor, failures), maxRetryDelay);
    return full * (1 - Math.random() * (backoffJitter || 0.5));
  };
  var waitMs = (header) => {
    if (!header) return 0;
    const ms = +header >= 0 ? +header * 1e3 : Date.parse(header) - now();
    if (!(ms > 0)) return 0;
    warn("the server asks to wait");
    return Math.min(ms, WAIT_MS_MAX);
  };

  // src/filters.ts
  var passesList = (config, message) => {
    const option = config.eventFilteringOption;
    if (message.type !== "track" || !/^(white|black)listedEvents$/.test(option)) return true;
    const name = isString(message.event) ? message.event.trim() : "";
    const listed = !!name && (config[option] || []).some((one) => one && isString(one.eventName) && one.eventName.trim() === name);
    return listed === (option === "whitelistedEvents");
  };
  var isIntegrated = (integrations, name) => {
    for (const key of Object.keys(integrations)) {
      if (key !== name && key.toLowerCase() === name.toLowerCase() && !integrations[key]) {
        warn(key + ": write " + name);
        return false;
      }
    }
    const own = integrations[name];
    return own === void 0 ? integrations.All == null || !!integrations.All : !!own;
  };

  // src/pendo/anonymous.ts
  var PREFIX2 = "_PENDO_T_";
  var KEY = "sp_pendo";
  var memory;
  var recall = () => {
    const text2 = attempt(() => webStorage("localStorage").getItem(KEY));
    const stored = text2 && parse(text2);
    return memory = isList(stored) && stored || memory || ["", "", "", {}];
  };
  var remember = (change) => {
    const next = recall();
    const before = JSON.stringify(next);
    change(next);
    const after = JSON.stringify(next);
    if (after !== before) attempt(() => webStorage("localStorage").setItem(KEY, after));
  };
  var anonymousVisitor = (anonymousId) => {
    if (recall()[0] !== anonymousId) return PREFIX2 + anonymousId;
    remember((one) => {
      one[1] = one[1] || PREFIX2 + uuid();
    });
    return memory[1];
  };

  // src/pendo/dates.ts
  var CLOCK = "(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?";
  var DAY_NAME = "^(?:[A-Za-z]{3,9},? )?";
  var NOTE = "(?: ?\\([^()]*\\))?";
  var MONTH = "([A-Za-z]{3})";
  var FORMS = [
    [RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[Tt ]${CLOCK} ?([Zz]|[+-]\\d\\d:?\\d\\d)?)?$`), 1, 2, 3],
    // JavaScript's Date as text; the weekday may contradict the date.
    [RegExp(`${DAY_NAME}${MONTH} (\\d{1,2}) (\\d{4})(?: ${CLOCK}(?: ?((?:GMT|UTC)?[+-]\\d{4}|GMT|UTC|Z))?${NOTE})?$`), 3, 1, 2],
    [RegExp(`${DAY_NAME}(\\d{1,2}) ${MONTH} (\\d{4}) ${CLOCK}(?: ([+-]\\d{4}|GMT|UTC|UT|Z))?${NOTE}$`), 3, 2, 1]
  ];
  var MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";
  var isDateKey = (key) => /(^|_)(at|date|datetime|timestamp|birthday|dob|since|until)_*$/.test(
    key.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$2_").toLowerCase()
  );
  var asDate = (value) => {
    if (typeof value === "number") return fromNumber(value);
    if (typeof value !== "string") return void 0;
    const text2 = value.trim();
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text2)) return fromNumber(+text2);
    for (const [form, year, month, day] of FORMS) {
      const found = form.exec(text2);
      if (found) return fromParts(found, year, month, day);
    }
    return void 0;
  };
  var fromNumber = (number) => {
    if (!(number >= 1e8 && number < 1e14)) return void 0;
    return new Date(Math.trunc(number < 1e11 ? number * 1e3 : number)).toISOString();
  };
  var two = (digits) => ("0" + digits).slice(-2);
  var fromParts = (found, yearAt, monthAt, dayAt) => {
    const [hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = found.slice(4);
    const name = found[monthAt];
    const month = +name || MONTHS.indexOf(name.toLowerCase()) / 3 + 1;
    const day = `${found[yearAt]}-${two(month)}-${two(found[dayAt])}`;
    const local = /* @__PURE__ */ new Date(`${day}T${hour}:${minute}:${second}.${(fraction + "000").slice(0, 3)}Z`);
    const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(zone) || [];
    const offset = sign ? +(sign + 1) * (+hours * 60 + +minutes) : 0;
    try {
      if (local.toISOString().slice(0, 10) !== day || Math.abs(offset) >= 1440) return void 0;
      const text2 = new Date(+local - offset * 6e4).toISOString();
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
    const offer = (key, value, flattened) => {
      const name = cleanKey(key);
      const rank = flattened ? 0 : name === key ? 2 : 1;
      if (name && !(leaves[name] && leaves[name].rank > rank)) leaves[name] = { key, value, rank };
    };
    const flatten = (key, value, depth) => {
      if (!isObject(value)) offer(key, value, true);
      else if (depth <= DEPTH_MAX && key.length <= KEY_CHARS_MAX) {
        for (const name of Object.keys(value)) flatten(key + "_" + name, value[name], depth + 1);
      }
    };
    for (const key of Object.keys(traits)) {
      const value = traits[key];
      if (key === leftOut || cleanKey(key) === "id") continue;
      if (!isObject(value)) offer(key, value, false);
      else if (settings.nestedTraits !== "drop") flatten(key, value, 1);
    }
    const values = {};
    for (const name of Object.keys(leaves)) {
      const value = cleanValue(leaves[name], settings);
      if (value !== void 0) values[name] = value;
    }
    return values;
  };
  var cleanKey = (key) => {
    const name = key.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/\W/gu, "_");
    if (!/[A-Za-z\d]/.test(name)) return "";
    return (/^\d/.test(name) ? "_" + name : name).toLowerCase();
  };
  var cleanValue = ({ key, value }, settings) => {
    if (isList(value)) {
      const items2 = value.map(scalar).filter((item) => item !== void 0);
      return settings.metadataGroup === "custom" ? scalar(items2.join(",")) : items2;
    }
    return scalar(isDateKey(key) && asDate(value) || value);
  };
  var scalar = (value) => {
    if (typeof value === "string") {
      return value.length > TEXT_CHARS_MAX ? Array.from(value).slice(0, TEXT_CHARS_MAX).join("") : value;
    }
    return Number.isFinite(value) || typeof value === "boolean" ? value : void 0;
  };

  // src/pendo/hosts.ts
  var REGIONS = { us: ".pendo", us1: ".pendo", eu: ".eu.pendo", jp: ".jpn.pendo", au: ".au.pendo" };
  var pendoHosts = (config) => {
    const region = REGIONS[config.region] ? config.region : "us";
    const host2 = (role) => `https://${region === "us1" ? "us1." : ""}${role}${REGIONS[region]}.io`;
    const own = config.hosts || {};
    return { content: own.content || host2("cdn"), data: own.data || host2("data") };
  };

  // src/pendo/index.ts
  var LOOK_MS2 = 50;
  var READY_MS = 1e4;
  var SLOW_MS = 5e3;
  var FLUSH_MS = 5e3;
  var WATCH_MS = 1e3;
  var WAITING_MAX = 100;
  var taken = false;
  var idOf = (value) => value == null ? "" : String(value).trim();
  var createPendo = (config, analytics, info2, home) => {
    let status = "idle";
    let person;
    let named = false;
    let given = "";
    let agentUser = "";
    let accounts = {};
    let sees = info2.embedded;
    let waiting2 = [];
    let held = [];
    let flushTimer;
    let isPolled = false;
    const isHybrid = config.connectionMode === "hybrid";
    const hidesUnknown = /skip|hold/.test(config.anonymousVisitors);
    const mayAppear = (who) => !!who.user || !hidesUnknown;
    const presentPerson = () => {
      const group = idOf(analytics.getGroupId());
      return {
        user: idOf(analytics.getUserId()),
        traits: analytics.getUserTraits() || {},
        group,
        groupTraits: accounts[group] || analytics.getGroupTraits() || {}
      };
    };
    const describe = (who) => {
      const trait = config.parentAccountTrait;
      const id = who.user || anonymousVisitor(analytics.getAnonymousId());
      const told = { visitor: Object.assign(cleanTraits(who.traits, config), { id }), account: { id: null } };
      if (who.group) {
        told.account = Object.assign(cleanTraits(who.groupTraits, config, trait), { id: who.group });
        const parent = trait && who.groupTraits[trait];
        const parentId = idOf(isObject(parent) ? parent.id : parent);
        if (parentId) told.parentAccount = Object.assign(cleanTraits(isObject(parent) ? parent : {}, config), { id: parentId });
      }
      return told;
    };
    const note = (who) => {
      agentUser = who.user;
      remember((memory2) => {
        if (who.user) {
          memory2[0] = analytics.getAnonymousId();
          memory2[1] = "";
        }
        memory2[2] = who.group;
        memory2[3] = who.groupTraits;
      });
    };
    const apply = (who) => {
      const agent = window.pendo;
      if (agentUser && agentUser !== who.user) {
        if (!mayAppear(who)) tell(agent, "stopSendingEvents");
        tell(agent, "clearSession");
        given = "";
        accounts = {};
        const fresh = tell(agent, "getVisitorId");
        if (isString(fresh) && fresh.startsWith(PREFIX2)) remember((memory2) => memory2[1] = fresh);
      }
      const returns = hidesUnknown && !agentUser;
      note(who);
      if (!mayAppear(who)) return;
      const told = describe(who);
      const key = JSON.stringify(told);
      if (key === given) return;
      given = key;
      if (returns) tell(agent, "startSendingEvents");
      if (who.user || who.group || isFilled(who.traits) || told.visitor.id !== tell(agent, "getVisitorId")) {
        tell(agent, "identify", told);
      }
      if (who.user) held.splice(0).forEach(sendTrack);
    };
    const watch2 = () => {
      const present = presentPerson();
      if (present.user === person.user || waiting2.length) return;
      person = present;
      if (status === "ready") apply(present);
      else start();
    };
    const start = () => {
      if (status !== "idle" || !mayAppear(person)) return;
      status = "loading";
      const hosts = pendoHosts(config);
      const told = describe(person);
      const chosen = analytics.loadOnlyIntegrations || {};
      const options = Object.assign(
        { dataHost: hosts.data },
        clone(config.agentOptions),
        clone((chosen.Pendo || chosen.PENDO || {}).agentOptions),
        told
      );
      note(person);
      forgetStranger(told.visitor.id);
      const agent = window.pendo = window.pendo || {};
      const isJoined = isFunction(agent.initialize) || document.querySelector('script[src*="/agent/static/"]');
      const queue = agent._q = agent._q || [];
      if (!tell(agent, "isReady") && ![].some.call(queue, (call) => call[0] === "initialize")) {
        given = JSON.stringify(told);
        for (const name of ["initialize", "identify", "updateOptions", "pageLoad", "track", "trackAgent"]) {
          agent[name] = agent[name] || ((...call) => agent._q[name === "initialize" ? "unshift" : "push"]([name, ...call]));
        }
        tell(agent, "initialize", options);
      }
      let hasArrived = !!isJoined;
      if (!isJoined) {
        const script2 = document.createElement("script");
        const nonced = document.querySelector("script[nonce]");
        if (nonced) script2.nonce = nonced.nonce;
        script2.async = true;
        script2.src = `${hosts.content}/agent/static/${config.apiKey}/pendo.js`;
        script2.onload = () => hasArrived = true;
        script2.onerror = () => fail("blocked");
        document.head.appendChild(script2);
      }
      awaitAgent(() => hasArrived, now(), 0);
    };
    const awaitAgent = (hasArrived, since, waited) => {
      if (status !== "loading") return;
      if (tell(window.pendo, "isReady") === true) {
        status = "ready";
        const ms = now() - since;
        report(ms > SLOW_MS ? "slow" : "loaded", ms);
        if (given || person.user) apply(person);
        waiting2.splice(0).forEach(take);
      } else if (waited >= READY_MS) {
        fail(hasArrived() ? "failed" : "slow");
      } else {
        const counts = !hasArrived() || document.readyState === "complete";
        setTimeout(awaitAgent, LOOK_MS2, hasArrived, since, waited + (counts ? LOOK_MS2 : 0));
      }
    };
    const fail = (state) => {
      if (status !== "loading") return;
      status = "failed";
      waiting2 = [];
      alarm("the Pendo agent is not available: " + state);
      report(state);
    };
    const report = (state, ms) => {
      const url2 = home.base + "/lib/health?writeKey=" + encodeURIComponent(home.writeKey);
      const body = JSON.stringify({ destination: info2.destinationId, state, ms });
      if (home.base) attempt(() => fetch(url2, { method: "POST", body, keepalive: true }).catch(noop));
    };
    const forgetStranger = (id) => {
      attempt(() => {
        const key = "." + config.apiKey;
        const kept = JSON.parse(localStorage.getItem("_pendo_visitorId" + key)).value;
        if (kept === id || kept.startsWith(PREFIX2)) return;
        for (const name of ["visitorId", "accountId", "oldVisitorId", "meta"]) localStorage.removeItem("_pendo_" + name + key);
      });
    };
    const flush2 = () => {
      clearTimeout(flushTimer);
      flushTimer = 0;
      if (status === "ready") tell(window.pendo, "flushNow");
    };
    const take = (parcel) => {
      if (status === "ready") attempt(() => handle(parcel));
      else if (status === "idle" || status === "loading") {
        waiting2.push(parcel);
        if (waiting2.length > WAITING_MAX) {
          const old = waiting2.findIndex(({ message }) => /^(track|page)$/.test(message.type));
          waiting2.splice(Math.max(old, 0), 1);
        }
        if (status === "idle") {
          person = presentPerson();
          start();
        }
      }
    };
    const handle = ({ message, own }) => {
      const present = presentPerson();
      const user = idOf(message.userId);
      const isEarly = !user && !named && person.user && person.user === present.user;
      if (user !== person.user && !isEarly) {
        person = user === present.user ? present : { user, traits: {}, group: "", groupTraits: {} };
      }
      const isPresent = person.user === present.user;
      if (user) named = true;
      person.traits = isPresent ? present.traits : (message.context || {}).traits || {};
      if (message.type === "track") {
        if (isHybrid || !user && config.anonymousVisitors === "skip") return;
        if (!idOf(message.event)) return warn("Pendo takes no event without a name");
        if (mayAppear(person)) {
          apply(person);
          sendTrack(message);
          if (!isPresent) apply(present);
        } else {
          held.push(message);
          if (held.length > WAITING_MAX) held.shift();
        }
      } else if (message.type === "page") {
        if (config.pageLoad) tell(window.pendo, "pageLoad");
      } else {
        if (message.type === "group") {
          if (isPresent && !present.group) person.group = "";
          join(idOf(message.groupId), message.traits || {}, own);
        }
        if (isPresent) apply(person);
      }
    };
    const join = (id, merged, own) => {
      const before = accounts[""] || {};
      const known2 = accounts[id] || id && id === person.group && person.groupTraits || before;
      const traits = own ? merge(known2, own) : sees && accounts[id] ? known2 : merge(known2, merged);
      if (id) {
        person.group = id;
        person.groupTraits = traits;
      }
      accounts[id] = traits;
      if (id) accounts[""] = {};
    };
    const sendTrack = (message) => {
      tell(window.pendo, "track", idOf(message.event), message.properties || {});
      flushTimer = flushTimer || setTimeout(flush2, FLUSH_MS);
    };
    const watchGroupCalls = () => {
      const sdk = window.rudderanalytics;
      const original = sdk.group;
      const group = (...call) => {
        attempt(() => {
          const isBare = isObject(call[0]) || call[0] == null;
          const id = isBare ? "" : idOf(call[0]);
          const traits = isBare ? call[0] : call[1];
          if (isObject(traits)) accounts[id] = merge(accounts[id] || {}, clone(traits));
        });
        return original.apply(sdk, call);
      };
      sdk.group = group;
      return sdk.group === group;
    };
    return {
      name: "PENDO",
      init() {
        setLevel(analytics.logLevel);
        if (taken) {
          status = "inert";
          return alarm("a page has one Pendo agent; a second destination is not used");
        }
        taken = true;
        const memory2 = recall();
        const id = idOf(analytics.getGroupId());
        if (id) accounts[id] = memory2[2] === id ? memory2[3] : clone(analytics.getGroupTraits() || {});
        person = presentPerson();
        sees = sees || attempt(watchGroupCalls);
        setInterval(() => attempt(watch2), WATCH_MS);
        on(document, "visibilitychange", flush2);
        on(window, "pagehide", flush2);
        start();
      },
      /** For v3; throws when the agent failed, which ends v3's wait at once. */
      isReady() {
        if (status === "failed" && !isPolled) throw Error("the Pendo agent is not available");
        return status !== "loading";
      },
      /** For v2, which must not see an exception. */
      isLoaded() {
        isPolled = true;
        return status !== "loading";
      },
      identify: take,
      track: take,
      page: take,
      group: take,
      alias: () => debug("Pendo has no alias"),
      /** Hybrid: under which id the agent knows somebody unknown, so that the server uses the same. */
      getDataForIntegrationsObject() {
        if (!isHybrid || idOf(analytics.getUserId())) return {};
        return { Pendo: { visitorId: anonymousVisitor(analytics.getAnonymousId()) } };
      },
      watch: watch2,
      /** Consent was withdrawn: nothing more is collected. */
      stop() {
        if (status === "failed" || status === "inert") return;
        status = "stopped";
        waiting2 = [];
        tell(window.pendo, "stopSendingEvents");
        tell(window.pendo, "teardown");
      },
      /** Consent was given again. */
      resume() {
        if (status !== "stopped") return;
        status = "idle";
        given = "";
        person = presentPerson();
        tell(window.pendo, "startSendingEvents");
        start();
      }
    };
  };

  // src/devices.ts
  var LOOK_MS3 = 50;
  var READY_MS2 = 11e3;
  var CUSTOM = "Custom Device Mode";
  var LOGGER = { log: debug, debug, info: debug, warn, error };
  var devices = [];
  var early = [];
  var earlyMax = 100;
  var custom = {};
  var limitEarly = (max) => {
    if (max > 0) earlyMax = max;
  };
  var addCustom = (id, integration) => {
    if (early && isObject(integration) && isFunction(integration.isReady)) custom[id] = integration;
    else error("a custom integration needs isReady and is added before load");
  };
  var adapt = (own, config, analytics) => {
    const adapted = { isReady: () => own.isReady(analytics, LOGGER), init: () => own.init && own.init(config, analytics, LOGGER) };
    for (const type of ["identify", "track", "page", "group", "alias"]) {
      adapted[type] = ({ message }) => own[type] && own[type](analytics, LOGGER, { message });
    }
    return adapted;
  };
  var openDevices = (destinations, overrides, integrations, analytics, home, ready) => {
    for (const destination of destinations) {
      const { id, destinationDefinition } = destination;
      const name = (destinationDefinition || {}).displayName;
      const override = overrides.find((one) => one.id === id) || {};
      const config = merge(destination.config || {}, clone(override.config) || {});
      const enabled = typeof override.enabled === "boolean" ? override.enabled : destination.enabled !== false;
      const known2 = devices.find((one) => one.id === id);
      const allowed2 = enabled && config.connectionMode !== "cloud" && isIntegrated(integrations, name) && isConsented(config);
      if (known2) {
        if (known2.allowed !== allowed2) tell(known2.integration, allowed2 ? "resume" : "stop");
        known2.allowed = allowed2;
      } else if (allowed2) {
        const own = name === CUSTOM ? custom[id] && adapt(custom[id], config, analytics) : void 0;
        if (!own && name !== "Pendo") {
          error("there is no integration for " + name);
          continue;
        }
        const integration = own || createPendo(config, analytics, { destinationId: id, embedded: true }, home);
        const device = { id, name, config, integration, allowed: allowed2, waiting: early ? early.slice() : [] };
        devices.push(device);
        try {
          integration.init();
        } catch (cause) {
          giveUp(device, cause);
        }
      }
    }
    early = void 0;
    watch(ready, 0);
  };
  var giveUp = (device, cause) => {
    device.failed = true;
    device.waiting = void 0;
    error(device.name + " is not available:", cause);
  };
  var watch = (ready, waitedMs) => {
    for (const device of devices) {
      const { waiting: waiting2 } = device;
      if (!waiting2) continue;
      try {
        if (device.integration.isReady()) {
          device.waiting = void 0;
          for (const [message, own] of waiting2) hand(device, message, own);
        } else if (waitedMs > READY_MS2) throw "no answer";
      } catch (cause) {
        giveUp(device, cause);
      }
    }
    if (devices.some((device) => device.waiting)) setTimeout(watch, LOOK_MS3, ready, waitedMs + LOOK_MS3);
    else ready();
  };
  var hand = (device, message, own) => {
    if (device.failed || !device.allowed || !isIntegrated(message.integrations, device.name)) return;
    if (passesList(device.config, message)) tell(device.integration, message.type, { message: clone(message), own });
  };
  var toDevices = (message, own) => {
    const lists = early ? [early] : [];
    for (const device of devices) {
      if (device.waiting) lists.push(device.waiting);
      else hand(device, message, own);
    }
    for (const list of lists) {
      list.push([message, own]);
      if (list.length > earlyMax) {
        list.splice(Math.max(0, list.findIndex(([one]) => /^(track|page)$/.test(one.type))), 1);
      }
    }
  };
  var forgetEarly = () => {
    if (early) early = [];
  };
  var watchDevices = () => {
    for (const device of devices) tell(device.integration, "watch");
  };
  var nameVisitor = (message) => {
    if (message.userId || !isIntegrated(message.integrations, "Pendo")) return;
    const visitorId = anonymousVisitor(message.anonymousId);
    const hybrid = devices.some((device) => device.allowed && device.config.connectionMode === "hybrid");
    if (hybrid || visitorId !== PREFIX2 + message.anonymousId) {
      message.integrations = merge(message.integrations, { Pendo: { visitorId } });
    }
  };

  // src/message.ts
  var NAME = "RudderLabs JavaScript SDK";
  var APP = { name: NAME, namespace: "com.rudderlabs.javascript" };
  var RESERVED_CONTEXT = ["library", "consentManagement", "userAgent", "ua-ch", "screen"];
  var RESERVED_TRAITS = /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;
  var custom2 = {};
  var customContext = () => clone(custom2);
  var clearCustomContext = () => {
    custom2 = {};
  };
  var setCustomContext = (given) => {
    custom2 = withoutNulls(mergeContext(custom2, given));
  };
  var withoutNulls = (value) => JSON.parse(JSON.stringify(value, (_, entry) => entry === null ? void 0 : entry));
  var mergeContext = (context, given) => {
    const copy = clone(given);
    if (!isObject(copy) || /"(constructor|prototype)":/.test(JSON.stringify(copy))) {
      warn("a context is a plain object", given);
      return context;
    }
    for (const key of RESERVED_CONTEXT) {
      if (key in copy) {
        warn(key + " in the context is reserved");
        delete copy[key];
      }
    }
    return merge(context, copy);
  };
  var buildMessage = (call, session, settings, consent) => {
    const { type, options } = call;
    const message = { type, channel: "web" };
    const userTraits = read("userTraits");
    let properties = call.properties;
    if (type === "page") {
      const defaults = pageProperties();
      const given = isObject(options) && options.page || {};
      for (const key of Object.keys(defaults)) {
        if (properties[key] === void 0) properties[key] = given[key] || defaults[key];
      }
      message.name = call.name;
      message.category = call.category;
    }
    const context = {
      // With storage type `none` an identify still carries what it was given.
      traits: clone(userTraits || type === "identify" && call.traits || {}),
      sessionId: session.id || void 0,
      sessionStart: session.sessionStart || void 0,
      consentManagement: consent,
      "ua-ch": settings.hints,
      app: Object.assign({ version: settings.version, installType: settings.installType }, APP),
      library: {
        name: NAME,
        version: settings.version,
        variant: "sternpost",
        snippetVersion: window.RudderSnippetVersion
      },
      trulyAnonymousTracking: settings.trulyAnonymous || void 0,
      autoTrack: settings.autoTrack
    };
    Object.assign(context, browserContext(type === "page" ? properties : {}));
    message.originalTimestamp = iso();
    message.messageId = uuid();
    message.userId = (type === "identify" || type === "alias" ? call.id : "") || read("userId") || "";
    message.anonymousId = read("anonymousId") || uuid();
    message.event = null;
    if (type === "alias") {
      message.userId = call.id == null ? message.userId : call.id;
      message.previousId = call.from;
    }
    if (type === "group") {
      message.groupId = call.id || read("groupId") || void 0;
      message.traits = clone(read("groupTraits") || call.traits || {});
    }
    if (type === "track") {
      message.event = eventName(call.name);
    }
    message.properties = properties === void 0 ? null : properties;
    message.context = merge(context, custom2);
    if (isObject(options)) applyOptions(message, options);
    for (const holder of [message.properties, message.traits, message.context.traits]) {
      for (const key of Object.keys(isObject(holder) ? holder : {})) {
        if (RESERVED_TRAITS.test(key)) warn(key + " is a reserved name");
      }
    }
    message.integrations = settings.integrations || message.integrations || { All: true };
    return clone(message);
  };
  var eventName = (name) => {
    const text2 = typeof name === "number" ? String(name) : name;
    if (isString(text2) && text2) return text2;
    warn("track needs the name of the event");
    return null;
  };
  var applyOptions = (message, options) => {
    for (const key of Object.keys(options)) {
      const value = options[key];
      if (key === "anonymousId" || key === "originalTimestamp") {
        if (isString(value) && value) message[key] = value;
      } else if (key === "integrations") {
        if (isFilled(value)) message[key] = value;
      } else {
        message.context = mergeContext(message.context, key === "context" ? value : { [key]: value });
      }
    }
  };

  // src/session.ts
  var TIMEOUT_MS3 = 18e5;
  var CUT_OFF_MS = 432e5;
  var isWhole = (value) => Number.isInteger(value) && value >= 0;
  var info = () => read("sessionInfo") || {};
  var expired = (session) => !(now() <= session.expiresAt) || session.cutOff && session.cutOff.enabled && now() > session.cutOff.expiresAt;
  var openSession = (options) => {
    const stored = info();
    let timeout = options.timeout;
    if (!isWhole(timeout)) timeout = TIMEOUT_MS3;
    else if (timeout < 1e4) warn("a session timeout below 10 s");
    const auto = options.autoTrack !== false && timeout > 0 && !stored.manualTrack;
    if (!auto) {
      if (!stored.manualTrack) write("sessionInfo", void 0);
      return;
    }
    const session = Object.assign({}, stored, { autoTrack: true, timeout });
    delete session.cutOff;
    const cutOff = options.cutOff || {};
    if (cutOff.enabled === true) {
      const duration = isWhole(cutOff.duration) ? cutOff.duration : CUT_OFF_MS;
      if (duration < timeout) warn("sessions.cutOff is shorter than the timeout and ignored");
      else session.cutOff = { enabled: true, duration, expiresAt: (stored.cutOff || {}).expiresAt };
    }
    renew(session);
  };
  var renew = (session) => {
    if (expired(session)) {
      session = Object.assign({}, session, { id: now(), sessionStart: void 0 });
      if (session.cutOff) session.cutOff = { enabled: true, duration: session.cutOff.duration };
    }
    session.expiresAt = now() + session.timeout;
    if (session.cutOff && !session.cutOff.expiresAt) session.cutOff.expiresAt = now() + session.cutOff.duration;
    write("sessionInfo", session);
    return session;
  };
  var touchSession = () => {
    let session = info();
    if (session.autoTrack) session = renew(session);
    if (session.autoTrack || session.manualTrack) {
      session = Object.assign({}, session, { sessionStart: session.sessionStart === void 0 });
      write("sessionInfo", session);
    }
    return session;
  };
  var resetSession = () => {
    const session = info();
    if (session.autoTrack) renew(Object.assign({}, session, { expiresAt: 0 }));
    else if (session.manualTrack) startSession(now());
  };
  var startSession = (id) => {
    const valid = isWhole(id) && String(id).length >= 10;
    if (!valid) warn("a session id is a whole number of at least 10 digits");
    write("sessionInfo", { id: valid ? id : now(), manualTrack: true });
  };
  var endSession = () => write("sessionInfo", void 0);
  var sessionId = () => {
    const session = info();
    return (session.manualTrack || session.autoTrack && !expired(session) ? session.id : null) || null;
  };

  // src/version.ts
  var VERSION = "0.1.0";

  // src/sdk.ts
  var DEFAULTS = {
    integrations: { All: true },
    sessions: {},
    storage: {},
    queueOptions: { minRetryDelay: 1e3, maxRetryDelay: 36e4, backoffFactor: 2, maxItems: 1e3 },
    destinationsQueueOptions: {},
    preConsent: {}
  };
  var RESET = { userId: true, userTraits: true, groupId: true, groupTraits: true, sessionInfo: true, authToken: true };
  var PAGE_VIEW_LIMIT_MS = 1e3;
  var createSdk = (origin, installType) => {
    let options = DEFAULTS;
    let writeKey2 = "";
    let dataPlaneUrl = "";
    let config;
    let isOpen = false;
    let preConsent;
    let held;
    let isReady = false;
    let isDisabled = false;
    const readyCalls = [];
    let integrations = DEFAULTS.integrations;
    let adBlocked = false;
    const settings = { version: VERSION, installType };
    const startedAt = now();
    const emit = (call) => {
      if (isDisabled) return;
      settings.integrations = options.useGlobalIntegrationsConfigInEvents === true ? integrations : void 0;
      const message = buildMessage(call, touchSession(), settings, consentContext());
      nameVisitor(message);
      if (held) held.push(message);
      else send2(message);
      toDevices(message, call.type === "group" ? call.traits || {} : void 0);
      const { callback } = call;
      if (callback) {
        try {
          callback(Object.assign({}, message, { sentAt: iso() }));
        } catch (cause) {
          error("a callback failed:", cause);
        }
      }
    };
    const send2 = (message) => {
      const text2 = JSON.stringify(message, function(_, value) {
        return value === null && !Array.isArray(this) ? void 0 : value;
      });
      if (text2.length > 32768) {
        const { context, properties, traits } = message;
        const parts = Object.assign({}, context, traits, properties);
        const size2 = (key) => (JSON.stringify(parts[key]) || "").length;
        warn("an event above 32 KB; its largest key is " + Object.keys(parts).sort((a, b) => size2(b) - size2(a))[0]);
      }
      enqueue(text2);
      nudge();
    };
    const identify = (call) => {
      const { id, traits } = call;
      const known2 = read("userId");
      if (id && known2 && id !== known2) forget();
      if (id !== null) write("userId", id || "");
      write("userTraits", traits ? merge(read("userTraits") || {}, traits) : {});
      emit(call);
    };
    const group = (call) => {
      const { id, traits } = call;
      if (id !== null) write("groupId", id || "");
      write("groupTraits", traits ? merge(read("groupTraits") || {}, traits) : {});
      emit(call);
    };
    const alias = (call) => {
      if (call.from === void 0) call.from = read("userId") || read("anonymousId");
      emit(call);
    };
    const page4 = (call) => {
      emit(call);
      if (adBlocked && call.category !== "RudderJS-Initiated") {
        emit(readCall("page", ["RudderJS-Initiated", "ad-block page request", { path: "/ad-blocked" }, options.sendAdblockPageOptions]));
      }
    };
    const forget = (given) => {
      const entries = Object.assign({}, RESET);
      if (typeof given === "boolean") entries.anonymousId = given;
      else if (isObject(given) && isObject(given.entries)) {
        for (const key of Object.keys(given.entries)) {
          if (typeof given.entries[key] === "boolean") entries[key] = given.entries[key];
        }
      }
      for (const entry of ENTRIES) {
        if (!entries[entry]) continue;
        if (entry === "sessionInfo") resetSession();
        else write(entry, entry === "anonymousId" ? uuid() : "");
      }
    };
    const storageType = (entry) => {
      const { type, entries } = options.storage;
      const own = ((entries || {})[entry] || {}).type || type;
      if (!preConsent) return own;
      const { strategy: strategy2, enabled } = preConsent.storage || {};
      if (enabled === true && own) return own;
      const keeps = { session: "sessionInfo", anonymousId: "anonymousId" };
      return keeps[strategy2] === entry ? own : "memoryStorage";
    };
    const openIdentity = (carry) => {
      openStorage(options, storageType, carry);
      settings.trulyAnonymous = ENTRIES.every((entry) => storageType(entry) === "none" || !!preConsent && storageType(entry) === "memoryStorage");
      const external = isString(options.externalAnonymousIdCookieName) && readCookie(options.externalAnonymousIdCookieName);
      if (external) write("anonymousId", external);
      anonymousId(options.anonymousIdOptions);
      const [referrer2, domain] = initialReferrer();
      write("initialReferrer", referrer2);
      write("initialReferringDomain", domain);
      openSession(options.sessions);
    };
    const anonymousId = (wish) => {
      const known2 = read("anonymousId");
      if (known2) return known2;
      const capture = (wish || {}).autoCapture || {};
      const name = "ajs_anonymous_id";
      const stored = capture.enabled === true && capture.source === "segment" && (attempt(() => localStorage.getItem(name)) || readCookie(name));
      const made = stored && (attempt(() => String(JSON.parse(stored))) || stored) || uuid();
      write("anonymousId", made);
      return read("anonymousId") || made;
    };
    const load = (key, url2, given) => {
      if (isOpen) return;
      if (!isString(key) || !key.trim()) return error("load needs a write key");
      if (isObject(url2)) {
        given = url2;
        url2 = void 0;
      }
      const plane = httpUrl(url2 || origin);
      if (!plane) return error("load needs the address of the data plane");
      isOpen = true;
      writeKey2 = key;
      dataPlaneUrl = plane.replace(/\/+$/, "");
      readOptions(isObject(given) ? given : {});
      openQueue(key, options.queueOptions.maxItems);
      openDelivery(dataPlaneUrl, key, options.queueOptions);
      openIdentity(false);
      if (!preConsent) persist();
      autoTrack();
      readHints(options.uaChTrackLevel, (hints) => settings.hints = clone(hints));
      askConfig();
    };
    const httpUrl = (url2) => {
      const parsed = attempt(() => new URL(String(url2)));
      return parsed && /^https?:$/.test(parsed.protocol) ? parsed.href : "";
    };
    const readOptions = (given) => {
      const known2 = {};
      for (const key of Object.keys(given)) {
        const value = given[key];
        if (value != null && (!isObject(DEFAULTS[key]) || isObject(value))) known2[key] = isFunction(value) ? value : clone(value);
      }
      options = merge(DEFAULTS, known2);
      integrations = options.integrations;
      setLevel(options.logLevel);
      if (options.useServerSideCookies) alarm("useServerSideCookies is not supported");
      if (options.context) setCustomContext(options.context);
      limitEarly(options.destinationsQueueOptions.maxItems);
      setConsent(options.consentManagement, true);
      if (consentEnabled() && !consentKnown() && options.preConsent.enabled === true) {
        preConsent = options.preConsent;
        if ((options.preConsent.events || {}).delivery === "buffer") held = [];
      } else askProvider();
    };
    const autoTrack = () => {
      const { enabled, options: common, pageLifecycle } = options.autoTrack || {};
      const life = Object.assign({ enabled: !!enabled, events: [], options: common }, pageLifecycle);
      if (!enabled && !life.enabled) return;
      settings.autoTrack = life.enabled ? { page: { pageViewId: uuid() } } : {};
      if (!life.enabled || life.events.length && !life.events.includes("Page Unloaded")) return;
      window.addEventListener(
        "pagehide",
        () => emit(readCall("track", ["Page Unloaded", { timeOnPage: now() - startedAt }, merge({ originalTimestamp: iso() }, life.options || {})])),
        true
      );
    };
    const askConfig = () => {
      const base = httpUrl(options.configUrl || origin || dataPlaneUrl);
      if (!base) {
        error("configUrl is no http(s) address");
        return startDelivery();
      }
      const address = configAddress(base, writeKey2, VERSION, settings.installType);
      if (options.sendAdblockPage === true) {
        fetch(base + "?view=ad", { method: "HEAD", headers: { Authorization: "Basic " + btoa(writeKey2 + ":") } }).then((answer) => adBlocked = answer.redirected, () => adBlocked = true);
      }
      setTimeout(() => !isDisabled && startDelivery(), PAGE_VIEW_LIMIT_MS);
      fetchConfig(address, writeKey2, options.getSourceConfig, takeConfig, startDelivery);
    };
    const takeConfig = (answer) => {
      config = answer;
      if (answer.source.enabled === false) {
        isDisabled = true;
        stopDelivery();
        return error("The source is disabled");
      }
      setStrategies(answer.consentManagementMetadata);
      startDelivery();
      if (isFunction(options.onLoaded)) attempt(() => options.onLoaded(sdk));
      announce("RSA_Initialised");
      if (preConsent) becomeReady();
      else loadDevices();
    };
    const loadDevices = () => {
      if (!config || isDisabled) return;
      const overrides = (options.sourceConfigurationOverride || {}).destinations || [];
      const home = { base: origin || dataPlaneUrl, writeKey: writeKey2 };
      openDevices(config.source.destinations, overrides, integrations, Object.assign({ loadOnlyIntegrations: integrations }, sdk), home, becomeReady);
    };
    const becomeReady = () => {
      if (isReady) return;
      isReady = true;
      for (const callback of readyCalls.splice(0)) run(callback);
      announce("RSA_Ready");
    };
    const run = (callback) => {
      try {
        callback();
      } catch (cause) {
        error("a callback failed:", cause);
      }
    };
    const announce = (name) => {
      document.dispatchEvent(new CustomEvent(name, { detail: { analyticsInstance: sdk }, bubbles: true, cancelable: true, composed: true }));
    };
    const consent = (given) => {
      const wish = isObject(given) ? clone(given) : {};
      preConsent = void 0;
      setConsent(wish.consentManagement, false);
      askProvider();
      if (isObject(wish.storage)) options = merge(options, { storage: wish.storage });
      if (isObject(wish.integrations)) integrations = wish.integrations;
      openIdentity(true);
      persist();
      const waiting2 = held || [];
      held = void 0;
      if (wish.discardPreConsentEvents === true) forgetEarly();
      else waiting2.forEach(send2);
      loadDevices();
      if (wish.trackConsent === true) sdk.track("Consent Management Interaction");
      if (wish.sendPageEvent === true) sdk.page();
    };
    const sdk = {};
    const buffer = [];
    const command = (name, act) => {
      sdk[name] = (...given) => {
        try {
          if (isOpen || name === "load" || name === "addCustomIntegration") act(...given);
          else buffer.push([name, given]);
        } catch (cause) {
          error(name + " failed:", cause);
        }
      };
    };
    const getter = (name, get) => {
      sdk[name] = (given) => attempt(() => get(given));
    };
    const HANDLERS = { identify, track: emit, page: page4, group, alias };
    for (const type of Object.keys(HANDLERS)) {
      command(type, (...given) => HANDLERS[type](readCall(type, given)));
    }
    command("load", (key, url2, given) => {
      load(key, url2, given);
      if (isOpen) play();
    });
    command("ready", (callback) => {
      if (!isFunction(callback)) return error("ready takes a function");
      if (isReady) run(callback);
      else readyCalls.push(callback);
    });
    command("reset", (given) => {
      forget(given);
      watchDevices();
    });
    command("setAnonymousId", (id) => write("anonymousId", isString(id) && id ? id : uuid()));
    command("startSession", startSession);
    command("endSession", endSession);
    command("consent", consent);
    command("setAuthToken", (token) => write("authToken", token || ""));
    command("setCustomContext", setCustomContext);
    command("clearCustomContext", clearCustomContext);
    command("addCustomIntegration", (id, integration) => addCustom(id, integration));
    command("setDefaultInstanceKey", () => {
    });
    getter("getAnalyticsInstance", () => sdk);
    getter("getAnonymousId", (wish) => isOpen ? anonymousId(wish) : void 0);
    getter("getUserId", () => read("userId") || "");
    getter("getUserTraits", () => clone(read("userTraits") || {}));
    getter("getGroupId", () => read("groupId") || "");
    getter("getGroupTraits", () => clone(read("groupTraits") || {}));
    getter("getSessionId", sessionId);
    getter("getCustomContext", customContext);
    const play = () => {
      for (const [name, given] of buffer.splice(0)) sdk[name](...given);
    };
    return sdk;
  };
  var queryCalls = (search) => {
    const query = new URLSearchParams(search);
    const values = (prefix2) => {
      const found = {};
      query.forEach((_, key) => {
        if (key.startsWith(prefix2)) found[key.slice(prefix2.length)] = query.get(key);
      });
      return found;
    };
    const calls = [];
    const [id, user, event, traits] = [query.get("ajs_aid"), query.get("ajs_uid"), query.get("ajs_event"), values("ajs_trait_")];
    if (id) calls.push(["setAnonymousId", id]);
    if (user) calls.push(["identify", user, traits]);
    else if (Object.keys(traits).length) calls.push(["identify", traits]);
    if (event) calls.push(["track", event, values("ajs_prop_")]);
    return calls;
  };

  // src/global.ts
  var script = document.currentScript;
  var page3 = window;
  var waiting = page3.rudderanalytics;
  if (!waiting || isList(waiting)) {
    const sdk = createSdk(script && attempt(() => new URL(script.src).origin) || "", "cdn");
    page3.rudderanalytics = sdk;
    const call = ([name, ...given]) => {
      if (isFunction(sdk[name])) sdk[name](...given);
    };
    const calls = waiting ? waiting.slice() : [];
    const at = calls.findIndex((one) => one[0] === "load");
    const loads = at < 0 ? [] : calls.splice(at, 1);
    const isConsent = (one) => one[0] === "consent";
    queryCalls(location.search).concat(calls.filter(isConsent), calls.filter((one) => !isConsent(one))).forEach(call);
    loads.forEach(call);
    if (waiting) waiting.push = call;
  }
})();
