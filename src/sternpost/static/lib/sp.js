/*! Sternpost, Apache-2.0 */
"use strict";
(() => {
  // src/log.ts
  var isQuiet = false;
  var setLevel = (name2) => {
    isQuiet = name2 === "NONE";
  };
  var log = (...words) => {
    if (!isQuiet) console.error("Sternpost:", ...words);
  };

  // src/util.ts
  var isString = (value) => typeof value === "string";
  var isFunction = (value) => typeof value === "function";
  var isObject = (value) => ({}).toString.call(value) === "[object Object]";
  var isList = Array.isArray;
  var { keys, assign } = Object;
  var json = JSON.stringify;
  var page = window;
  var now = () => Date.now();
  var iso = (at = now()) => new Date(at).toISOString();
  var isFilled = (value) => keys(value || "")[0];
  var attempt = (make) => {
    try {
      return make();
    } catch (_) {
      return void 0;
    }
  };
  var parse = (text2) => attempt(() => JSON.parse(text2));
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
  var base64 = (text2) => btoa(unescape(encodeURIComponent(text2)));
  var on = (target, name2, listener, isCapturing) => target.addEventListener(name2, listener, isCapturing);
  var idOf = (value) => value == null ? "" : String(value).trim();
  var TIMEOUT_MS = 3e4;
  var request = (url2, init) => fetch(url2, assign({ signal: attempt(() => AbortSignal.timeout(TIMEOUT_MS)) }, init));
  var addScript = (src) => {
    const script = document.createElement("script");
    script.nonce = (document.querySelector("script[nonce]") || script).nonce;
    script.src = src;
    return document.head.appendChild(script);
  };
  var push = (list, entry, max2) => {
    list.push(entry);
    return list.splice(Math.max(0, list.findIndex((one) => !one.isSending && /^(track|page)/.test(one.type))), +(list.length > max2));
  };

  // src/config.ts
  var RETRY_MS_MAX = 6e4;
  var configAddress = (base, extra) => {
    const url2 = new URL(base);
    url2.pathname = url2.pathname.replace(/(\/sourceConfig)?\/*$/, (_, own2) => own2 || "/sourceConfig/");
    for (const key in extra) if (!url2.searchParams.has(key)) url2.searchParams.set(key, extra[key]);
    return url2.href;
  };
  var fetchConfig = async (address, Authorization, own2, failed) => {
    for (let waitMs = 1e3; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      try {
        const answer = own2 ? await own2() : await request(address, { headers: { Authorization } }).then((one) => one.ok && one.json());
        const config = isString(answer) ? JSON.parse(answer) : answer;
        if (config.source.id != null && isList(config.source.destinations)) return config;
        throw answer;
      } catch (cause) {
        log("sourceConfig:", cause);
        failed();
        await new Promise((done) => setTimeout(done, waitMs));
      }
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
      tab_url: location.href
    };
  };
  var queryValues = (prefix2) => {
    const found = {};
    new URLSearchParams(location.search).forEach((value, key) => {
      if (key.startsWith(prefix2)) found[key.slice(prefix2.length)] = value;
    });
    return found;
  };
  var browserContext = () => {
    const campaign = queryValues("utm_");
    campaign.name = campaign.campaign || campaign.name;
    delete campaign.campaign;
    return {
      userAgent: navigator.userAgent,
      os: { name: "", version: "" },
      locale: navigator.language,
      screen: { width: screen.width, height: screen.height, density: devicePixelRatio, innerWidth, innerHeight },
      campaign,
      timezone: (/[A-Z]+[+-]\d+/.exec(Date()) || ["NA"])[0]
    };
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
  var PREFIX = "RS_ENC_v3_";
  var TEST = "rl_test";
  var TYPES = ["cookieStorage", "localStorage", "sessionStorage", "memoryStorage"];
  var LOCAL = 1;
  var SESSION = 2;
  var MEMORY = 3;
  var stores;
  var slots = {};
  var jar = "";
  var readCookie = (name2) => attempt(() => {
    if (!jar) {
      jar = "; " + document.cookie;
      queueMicrotask(() => jar = "");
    }
    return decodeURIComponent(jar.split(`; ${name2}=`)[1].split(";")[0]);
  });
  var cookieStore = (options) => {
    const { maxage = 31536e6, path = "/", samesite = options.sameSiteCookie || "Lax", secure = options.secureCookie, domain = options.setCookieDomain } = options.storage.cookie || {};
    let host = domain || "";
    const store2 = (name2, text2) => text2 == null ? readCookie(name2) : attempt(
      () => (jar = "", document.cookie = `${name2}=${encodeURIComponent(text2)};max-age=${text2 ? maxage / 1e3 : 0};path=${path};samesite=${samesite};domain=${host}${secure ? ";secure" : ""}`)
    );
    const sticks = () => {
      store2(TEST, TEST);
      const found = readCookie(TEST);
      store2(TEST, "");
      return found;
    };
    if (!host && !options.sameDomainCookiesOnly) {
      const parts = location.hostname.split(".");
      for (let level = parts.length - 1; level--; host = "") {
        host = parts.slice(level).join(".");
        if (sticks()) break;
      }
    }
    return sticks() ? store2 : void 0;
  };
  var webStorage = (type) => attempt(() => (page[TYPES[type]].getItem(TEST), page[TYPES[type]]));
  var webStore = (type) => {
    const store2 = webStorage(type);
    return store2 && ((key, text2) => attempt(() => text2 == null ? store2.getItem(key) : text2 ? store2.setItem(key, text2) : store2.removeItem(key)));
  };
  var decode = (raw) => attempt(() => JSON.parse(raw.startsWith(PREFIX) ? decodeURIComponent(escape(atob(raw.slice(PREFIX.length)))) : raw));
  var openStorage = (options, type) => {
    stores = stores || [cookieStore(options), webStore(LOCAL), webStore(SESSION), () => void 0];
    for (const entry of ENTRIES) {
      let value = read(entry);
      let chosen = TYPES.indexOf(type(entry));
      if (chosen < 0 && entry === "anonymousId") chosen = MEMORY;
      while (chosen >= 0 && !stores[chosen]) chosen++;
      const store2 = stores[chosen];
      const key = "rl_" + KEYS[entry];
      slots[entry] = store2 && { key, store: store2 };
      if (store2 && chosen < MEMORY) {
        for (const other of stores) {
          if (other && other !== store2) {
            value = value || decode(other(key));
            other(key, "");
          }
        }
      }
      if (value) write(entry, value);
    }
  };
  var read = (entry) => {
    const slot = slots[entry];
    if (!slot) return;
    const raw = slot.store(slot.key);
    if (raw !== slot.raw) {
      slot.raw = raw;
      slot.value = decode(raw);
    }
    return slot.value;
  };
  var write = (entry, value) => {
    const slot = slots[entry];
    if (!slot) return;
    slot.value = value;
    slot.store(slot.key, isFilled(value) && attempt(() => PREFIX + base64(json(value))) || "");
    slot.raw = slot.store(slot.key);
  };

  // src/queue.ts
  var ALIVE_MS = 1e4;
  var LEFT_MS = 3e3;
  var prefix = "";
  var own = "";
  var max = 1e3;
  var serial = 1e9;
  var store;
  var items = [];
  var openQueue = (writeKey2, size) => {
    prefix = `sp_q.${writeKey2}.`;
    own = prefix + uuid();
    if (size > 0) max = size;
  };
  var persist = () => {
    store = webStorage(LOCAL) || webStorage(SESSION);
    items.forEach(keep);
    adopt();
  };
  var keep = (item) => {
    const key = own + "." + serial++;
    item.key = attempt(() => (store.setItem(key, item.text), key));
  };
  var enqueue = (text2, isRecovered = false) => {
    const item = { text: text2, type: text2.slice(9), isRecovered };
    keep(item);
    settle(push(items, item, max));
  };
  var settle = (done) => {
    items = items.filter((item) => !done.includes(item));
    for (const { key } of done) attempt(() => key && store.removeItem(key));
    beat(ALIVE_MS);
  };
  var beat = (aliveMs) => {
    attempt(() => items[0] && aliveMs ? store.setItem(own, String(now() + aliveMs)) : store.removeItem(own));
  };
  var leave = () => beat(items.some((item) => item.isSending) ? LEFT_MS : 0);
  var adopt = () => {
    beat(ALIVE_MS);
    attempt(() => {
      for (const key of keys(store).sort()) {
        const owner = key.slice(0, own.length);
        const leftMs = +store.getItem(owner) - now();
        if (key.startsWith(prefix) && /^(\.\d+)?$/.test(key.slice(own.length)) && owner !== own && !(leftMs > 0 && leftMs <= ALIVE_MS)) {
          const text2 = store.getItem(key);
          store.removeItem(key);
          if (/{/.test(text2)) enqueue(text2, true);
        }
      }
    });
  };
  var comeBack = () => {
    items = items.filter((item) => (item.isSending = false, !item.key || store.getItem(item.key)));
  };

  // src/delivery.ts
  var KEEPALIVE_BYTES = 6e4;
  var LOOK_MS = 3e3;
  var WAIT_MS_MAX = 36e5;
  var WAIT_MS = 1e3;
  var url = "";
  var writeKey = "";
  var backoffMs;
  var batchLimit = 100;
  var batchMax;
  var batchBytes = KEEPALIVE_BYTES;
  var isOpen = false;
  var isBusy = false;
  var underWay = 0;
  var timer;
  var failures = 0;
  var firstFailure = 0;
  var lastFailure = 0;
  var reason = "";
  var basicAuth = (key) => "Basic " + btoa(key + ":");
  var openDelivery = (dataPlaneUrl, key, { minRetryDelay = 1e3, maxRetryDelay = 36e4, backoffFactor = 2, backoffJitter = 0.5, batch = {} }) => {
    url = dataPlaneUrl;
    writeKey = key;
    backoffMs = () => Math.min(minRetryDelay * backoffFactor ** failures, maxRetryDelay) * (1 - Math.random() * backoffJitter);
    batchMax = batchLimit = batch.maxItems || batchLimit;
    batchBytes = Math.min(batch.maxSize || batchBytes, batchBytes);
    on(document, "visibilitychange", () => document.hidden && flush());
    on(window, "pagehide", () => {
      flush();
      leave();
    });
    on(window, "pageshow", (event) => {
      if (event.persisted) {
        comeBack();
        isBusy = false;
        wake();
      }
    });
    on(window, "online", () => wake());
    setInterval(() => {
      adopt();
      nudge();
    }, LOOK_MS);
  };
  var startDelivery = () => {
    if (!isOpen) wake();
    isOpen = true;
  };
  var nudge = () => {
    if (!timer) wake();
  };
  var wake = (afterMs) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      timer = 0;
      if (!isOpen || isBusy) return;
      const batch = nextBatch();
      if (!batch[0]) return;
      isBusy = true;
      await post(batch);
      isBusy = false;
      nudge();
    }, afterMs);
  };
  var flush = () => {
    for (let batch; (batch = nextBatch())[0]; ) post(batch, true);
  };
  var bytesOf = (text2) => new Blob([text2]).size;
  var nextBatch = () => {
    const batch = [];
    let bytes = 0;
    for (const item of items) {
      if (item.isSending) continue;
      bytes += bytesOf(item.text) + 50;
      if (batch[0] && (batch.length >= batchMax || bytes > batchBytes || batch[0].isRecovered !== item.isRecovered)) break;
      batch.push(item);
      item.isSending = true;
    }
    return batch;
  };
  var post = async (batch, isLeaving) => {
    const [{ text: text2, isRecovered }] = batch;
    const SentAt = iso();
    const end = `,"sentAt":"${SentAt}"}`;
    const body = `{"batch":[${batch.map((item) => item.text.slice(0, -1) + end)}]` + end;
    const headers = {
      Accept: "application/json",
      "Content-Type": "application/json;charset=UTF-8",
      Authorization: basicAuth(writeKey),
      AnonymousId: attempt(() => base64(parse(text2).anonymousId)) || "",
      SentAt
    };
    if (failures) {
      assign(headers, {
        "Rsa-Retry-Attempt": failures,
        "Rsa-Retry-Reason": reason,
        "Rsa-Since-Last-Attempt": now() - lastFailure,
        "Rsa-Since-First-Attempt": now() - firstFailure
      });
    }
    if (isRecovered) headers["Rsa-Recovered"] = true;
    if (!underWay++) headers["Sternpost-In-Order"] = true;
    let status = 0;
    let waitMs = 0;
    let cause = "client-network";
    try {
      const answer = await request(url + "/v1/batch", { method: "POST", headers, body, keepalive: bytesOf(body) < KEEPALIVE_BYTES + 4e3 });
      status = answer.status;
      cause = "server-" + status;
      const after = answer.headers.get("Retry-After") || 0;
      waitMs = after >= 0 ? after * 1e3 : Date.parse(after) - now();
    } catch (error) {
      if (error.name === "TimeoutError") cause = "client-timeout";
      if (isLeaving) attempt(() => navigator.sendBeacon(`${url}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`, body));
    }
    underWay--;
    for (const item of batch) item.isSending = false;
    if (!status || status > 499 || status === 408 || status === 429) {
      lastFailure = now();
      if (!failures++) firstFailure = lastFailure;
      reason = cause;
      wake(Math.min(Math.max(waitMs || 0, backoffMs()), WAIT_MS_MAX) || WAIT_MS);
    } else if (batch[1] && (status === 413 || status === 400)) {
      batchMax = batch.length >> 1;
    } else {
      if (status > 399) log("refused:", status);
      failures = 0;
      batchMax = Math.min(batchMax * 2, batchLimit);
      settle(batch);
    }
  };

  // src/filters.ts
  var passesList = (config, message) => {
    const option = config.eventFilteringOption;
    if (message.type !== "track" || !/listed/.test(option)) return true;
    const name2 = idOf(message.event);
    const isListed = name2 && (config[option] || []).some((one) => idOf((one || {}).eventName) === name2);
    return !isListed === (option[0] !== "w");
  };
  var isIntegrated = (integrations, name2) => {
    const isRefused = keys(integrations).some((key) => !integrations[key] && key.toLowerCase() === name2.toLowerCase());
    return !isRefused && !!(integrations[name2] || integrations.All == null || integrations.All);
  };

  // src/pendo/agent.ts
  var tell = (object, name2, ...args) => attempt(() => object[name2](...args));

  // src/pendo/anonymous.ts
  var PREFIX2 = "_PENDO_T_";
  var KEY = "sp_pendo";
  var memory = [];
  var recall = () => {
    const stored = attempt(() => parse(localStorage.getItem(KEY)));
    return isList(stored) ? memory = stored : memory;
  };
  var remember = (change) => {
    assign(recall(), change);
    attempt(() => localStorage.setItem(KEY, json(memory)));
  };
  var anonymousVisitor = (anonymousId2) => {
    const [used, fresh] = recall();
    if (used !== anonymousId2) return PREFIX2 + anonymousId2;
    if (!fresh) remember([, PREFIX2 + uuid()]);
    return memory[1];
  };

  // src/pendo/dates.ts
  var CLOCK = "(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?";
  var ISO = RegExp(`^(\\d{4}-\\d\\d-\\d\\d)(?:[Tt ]${CLOCK} ?([Zz]|[+-]\\d\\d:?\\d\\d)?)?$`);
  var WORDED = RegExp(
    `^(?:[A-Za-z]{3,9},? )?((?:[A-Za-z]{3} \\d{1,2}|\\d{1,2} [A-Za-z]{3}(?= \\d{4} )) \\d{4})(?: ${CLOCK}(?: ?((?:GMT|UTC)?[+-]\\d{4}|GMT|UTC?|Z))?(?: ?\\([^()]*\\))?)?$`
  );
  var isDateKey = (key) => /(^|_)(at|date(time)?|timestamp|birthday|dob|since|until)_*$/.test(
    key.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$2_").toLowerCase()
  );
  var asDate = (value) => attempt(() => {
    const text2 = String(value).trim();
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text2)) return +text2 < 1e8 || +text2 >= 1e14 ? void 0 : iso(+text2 < 1e11 ? +text2 * 1e3 : +text2);
    const [, words, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = ISO.exec(text2) || WORDED.exec(text2);
    const day = /-/.test(words) ? words : iso(words + " UTC").slice(0, 10);
    const at = (offset) => iso(`${day}T${hour}:${minute}:${second}.${(fraction + "00").slice(0, 3)}` + offset);
    const found = at(zone.replace(/\D*(?=[+-])/, "").replace(/(\d\d)(?=\d\d)/, "$1:").replace(/^\D*$/, "Z"));
    return (day === words || +day.slice(8) === +/\d+/.exec(words)) && at("Z").startsWith(day) && /^(?!0000)\d{4}-/.test(found) ? found : void 0;
  });

  // src/pendo/clean.ts
  var DEPTH_MAX = 5;
  var KEY_CHARS_MAX = 200;
  var TEXT_CHARS_MAX = 1500;
  var cleanTraits = (traits, settings, leftOut) => {
    const leaves = [];
    const offer = (values, prefix2, depth) => {
      for (const own2 of keys(values)) {
        const key = prefix2 + own2;
        const value = values[own2];
        const name2 = cleanKey(key);
        if (name2 === "id") continue;
        if (!isObject(value)) leaves.push([depth ? 0 : 1 + +(name2 === key), name2, key, value]);
        else if (settings.nestedTraits !== "drop" && depth < DEPTH_MAX && key.length <= KEY_CHARS_MAX) offer(value, key + "_", depth + 1);
      }
    };
    offer(assign({}, traits, leftOut && { [leftOut]: void 0 }), "", 0);
    const cleaned = {};
    for (const [, name2, key, value] of leaves.sort((left, right) => left[0] - right[0])) {
      const items2 = isList(value) && value.map(scalar).filter((item) => item !== void 0);
      cleaned[name2] = items2 && settings.metadataGroup !== "custom" ? items2 : scalar(items2 ? items2.join() : isDateKey(key) && asDate(value) || value);
    }
    delete cleaned[""];
    return clone(cleaned);
  };
  var cleanKey = (key) => {
    const name2 = key.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/\W/gu, "_");
    return /[A-Za-z\d]/.test(name2) ? name2.replace(/^(?=\d)/, "_").toLowerCase() : "";
  };
  var scalar = (value) => isString(value) ? [...value].slice(0, TEXT_CHARS_MAX).join("") : Number.isFinite(value) || value === !!value ? value : void 0;

  // src/pendo/hosts.ts
  var INFIX = { eu: ".eu", jp: ".jpn", au: ".au" };
  var pendoHost = ({ hosts, region }, role, name2) => (hosts || {})[role] || `https://${region === "us1" ? "us1." : ""}${name2}${INFIX[region] || ""}.pendo.io`;

  // src/pendo/index.ts
  var LOOK_MS2 = 50;
  var READY_MS = 1e4;
  var SLOW_MS = 5e3;
  var FLUSH_MS = 5e3;
  var WATCH_MS = 1e3;
  var WAITING_MAX = 100;
  var IDLE = 0;
  var LOADING = 1;
  var READY = 2;
  var OFF = 3;
  var FAILED = 4;
  var isTaken = false;
  var agent = (method, ...given) => tell(page.pendo, method, ...given);
  var createPendo = (config, analytics, id, [base, writeKey2]) => {
    let status = IDLE;
    let person;
    let isNamed = false;
    let given = "";
    let agentUser = "";
    let agentAnonymous = "";
    let accounts = {};
    let waiting3 = [];
    const held = [];
    let flushTimer;
    const { anonymousVisitors } = config;
    const hidesUnknown = /skip|hold/.test(anonymousVisitors);
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
      const part = (values, id2, leftOut) => assign(cleanTraits(values, config, leftOut), { id: id2 });
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
      agentAnonymous = analytics.getAnonymousId();
      remember(user ? [agentAnonymous, "", group, groupTraits] : [, , group, groupTraits]);
    };
    const apply = (who) => {
      const { user } = who;
      const isHidden = !user && hidesUnknown;
      const isNew = !agentUser;
      if (isNew ? agentAnonymous !== analytics.getAnonymousId() : agentUser !== user) {
        if (isHidden) agent("stopSendingEvents");
        agent("clearSession");
        given = "";
        accounts = {};
        const fresh = idOf(agent("getVisitorId"));
        if (fresh.startsWith(PREFIX2)) remember([, fresh]);
      }
      note(who);
      if (isHidden) return;
      const told = describe(who);
      const key = json(told);
      if (key === given) return;
      if (isNew) agent("startSendingEvents");
      if (given || user || who.group || isFilled(who.traits) || told.visitor.id !== agent("getVisitorId")) agent("identify", told);
      given = key;
      if (user) held.splice(0).forEach(sendTrack);
    };
    const watch2 = () => {
      const present = presentPerson();
      if (waiting3[0] || present.user === person.user && (present.group || !person.group)) return;
      person = present;
      if (status === READY) apply(present);
      else start();
    };
    const start = () => {
      if (status !== IDLE || !person.user && hidesUnknown) return;
      status = LOADING;
      const told = describe(person);
      const wish = (analytics.loadOnlyIntegrations || {}).Pendo || {};
      const options = assign({ dataHost: pendoHost(config, "data", "data") }, clone(config.agentOptions), clone(wish.agentOptions), told);
      note(person);
      forgetStranger(told.visitor.id);
      const pendo = page.pendo = page.pendo || {};
      const hasStub = isFunction(pendo.initialize);
      let hasArrived = hasStub || !!document.querySelector('script[src*="/agent/static/"]');
      const queue = pendo._q = pendo._q || [];
      if (!hasArrived) {
        const script = addScript(`${pendoHost(config, "content", "cdn")}/agent/static/${config.apiKey}/pendo.js`);
        script.onload = () => hasArrived = true;
        script.onerror = () => fail("blocked");
      }
      if (!agent("isReady") && ![].some.call(queue, (entry) => entry[0] === "initialize")) {
        given = json(told);
        if (hasStub) agent("initialize", options);
        else {
          for (const name2 of ["identify", "updateOptions", "pageLoad", "track"]) pendo[name2] = (...rest) => pendo._q.push([name2, ...rest]);
          queue.unshift(["initialize", options]);
        }
      }
      const since = now();
      const look = (waitedMs) => {
        if (status !== LOADING) return;
        const ms = now() - since;
        if (agent("isReady")) {
          status = READY;
          report(ms > SLOW_MS ? "slow" : "loaded", ms);
          if (given || person.user) apply(person);
          waiting3.splice(0).forEach(take);
        } else if (waitedMs > READY_MS) fail(hasArrived ? "failed" : "slow");
        else setTimeout(look, LOOK_MS2, hasArrived && document.readyState !== "complete" ? waitedMs : waitedMs + LOOK_MS2);
      };
      look(0);
    };
    const fail = (state) => {
      if (status !== LOADING) return;
      status = FAILED;
      waiting3 = [];
      log("Pendo:", state);
      report(state);
    };
    const report = (state, ms) => {
      const body = json({ destination: id, state, ms });
      request(base + "/lib/health?writeKey=" + encodeURIComponent(writeKey2), { method: "POST", body, keepalive: true }).catch(() => {
      });
    };
    const forgetStranger = (own2) => {
      attempt(() => {
        const key = (name2) => `_pendo_${name2}.${config.apiKey}`;
        const kept = JSON.parse(localStorage.getItem(key("visitorId"))).value;
        if (kept === own2 || kept.startsWith(PREFIX2)) return;
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
      else if (status < READY) {
        push(waiting3, parcel, WAITING_MAX);
        if (status === IDLE) {
          person = presentPerson();
          start();
        }
      }
    };
    const handle = (parcel) => {
      const { type, message, own: own2 } = parcel;
      if (type === "alias") return;
      const present = presentPerson();
      const user = idOf(message.userId);
      const isEarly = !user && !isNamed && person.user && person.user === present.user;
      if (user !== person.user && !isEarly) {
        person = user === present.user ? present : { user, traits: {}, group: "", groupTraits: {} };
      }
      const isPresent = person.user === present.user;
      if (user) isNamed = true;
      person.traits = isPresent ? present.traits : (message.context || {}).traits || {};
      if (isPresent && !present.group) person.group = "";
      if (type === "page") return config.pageLoad && agent("pageLoad");
      if (type === "track") {
        if (config.connectionMode === "hybrid" || !user && anonymousVisitors === "skip" || !idOf(message.event)) return;
        if (!person.user && hidesUnknown) return push(held, parcel, WAITING_MAX);
        apply(person);
        sendTrack(parcel);
        return isPresent || apply(present);
      }
      if (type === "group") join(idOf(message.groupId), message.traits || {}, own2);
      if (isPresent) apply(person);
    };
    const join = (group, merged, own2) => {
      const known = accounts[group] || group && group === person.group && person.groupTraits || accounts[""] || {};
      const groupTraits = accounts[group] = merge(known, own2 || merged);
      if (!group) return;
      assign(person, { group, groupTraits });
      delete accounts[""];
    };
    const sendTrack = ({ message }) => {
      agent("track", idOf(message.event), message.properties || {});
      flushTimer = flushTimer || setTimeout(flush2, FLUSH_MS);
    };
    return {
      init() {
        if (isTaken) {
          status = FAILED;
          return log("Pendo: one a page");
        }
        isTaken = true;
        const [, , group, traits] = recall();
        const present = idOf(analytics.getGroupId());
        if (present) accounts[present] = group === present ? traits : clone(analytics.getGroupTraits() || {});
        person = presentPerson();
        setInterval(() => attempt(watch2), WATCH_MS);
        on(document, "visibilitychange", flush2);
        on(window, "pagehide", flush2);
        start();
      },
      /** Throws when the agent failed. */
      isReady() {
        if (status === FAILED) throw Error("Pendo");
        return status !== LOADING;
      },
      take,
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
        status = IDLE;
        given = "";
        person = presentPerson();
        agent("startSendingEvents");
        start();
      }
    };
  };

  // src/shared.ts
  var shared = {
    /** Merged into each event's context. */
    custom: {},
    /** Nothing may be handed to a destination of the page (yet). */
    isClosed: false,
    /** Takes an event to the queue. */
    send: (_message) => {
    },
    /** Before anything is opened. */
    begin: (_options, _configBase) => {
    },
    /** After the identity was opened. */
    opened: () => {
    },
    /** The anonymousId of somebody new. */
    firstId: () => void 0,
    /** When a session ends although it is active: its own wish of `load`, with what is stored. */
    cutOff: (_session, _timeoutMs) => void 0,
    /** The destinations as the page and the person want them. */
    choose: (config) => config.source.destinations,
    /** An integration that the page added. */
    adapt: (..._given) => void 0
  };
  var view = {};
  var customContext = () => clone(shared.custom);

  // src/devices.ts
  var LOOK_MS3 = 50;
  var READY_MS2 = 11e3;
  var devices = [];
  var waiting = [];
  var waitingMax = 100;
  var limitWaiting = (max2) => {
    if (max2 > 0) waitingMax = max2;
  };
  var openDevices = (destinations, integrations, analytics, home, ready) => {
    for (const { id, enabled, config, destinationDefinition } of destinations) {
      const name2 = destinationDefinition.displayName;
      const isAllowed = enabled !== false && config.connectionMode !== "cloud" && isIntegrated(integrations, name2);
      let device = devices.find((one) => one.id === id);
      if (!device) {
        if (!isAllowed) continue;
        const integration = name2 === "Pendo" ? createPendo(config, analytics, id, home) : shared.adapt(id, config, analytics);
        if (!integration) {
          log("not available:", name2);
          continue;
        }
        waiting = waiting || [];
        devices.push(device = { id, name: name2, config, integration, isAllowed });
        tell(integration, "init");
      }
      if (device.isAllowed !== isAllowed) tell(device.integration, isAllowed ? "resume" : "stop");
      device.isAllowed = isAllowed;
    }
    watch(ready, 0);
  };
  var watch = (ready, waitedMs) => {
    let isWaiting = false;
    devices = devices.filter(({ integration, name: name2 }) => {
      try {
        if (integration.isReady()) return true;
        if (waitedMs < READY_MS2) return isWaiting = true;
      } catch (_) {
      }
      return log("not available:", name2);
    });
    if (isWaiting) setTimeout(watch, LOOK_MS3, ready, waitedMs + LOOK_MS3);
    else {
      const events = waiting || [];
      waiting = void 0;
      events.forEach(toDevices);
      ready();
    }
  };
  var toDevices = (parcel) => {
    if (waiting) push(waiting, parcel, waitingMax);
    else {
      const { message, own: own2 } = parcel;
      for (const { integration, name: name2, config, isAllowed } of devices) {
        if (isAllowed && isIntegrated(message.integrations, name2) && passesList(config, message)) {
          tell(integration, "take", { type: message.type, message: clone(message), own: own2 });
        }
      }
    }
  };
  var forgetWaiting = () => {
    if (waiting) waiting = [];
  };
  var watchDevices = () => devices.forEach((one) => tell(one.integration, "watch"));
  var nameVisitor = (message) => {
    const { userId, anonymousId: anonymousId2, integrations } = message;
    if (userId || !isIntegrated(integrations, "Pendo")) return;
    const visitorId = anonymousVisitor(anonymousId2);
    if (visitorId !== PREFIX2 + anonymousId2 || devices.some((one) => one.config.connectionMode === "hybrid")) {
      message.integrations = merge(integrations, { Pendo: { visitorId } });
    }
  };

  // src/session.ts
  var ENTRY = "sessionInfo";
  var TIMEOUT_MS2 = 18e5;
  var info = () => assign({}, read(ENTRY));
  var isLive = (session) => now() <= session.expiresAt && !(session.cutOff && now() > session.cutOff.expiresAt);
  var renew = (session) => {
    const { cutOff } = session;
    if (!isLive(session)) {
      session.id = now();
      session.sessionStart = void 0;
      if (cutOff) cutOff.expiresAt = now() + cutOff.duration;
    }
    session.expiresAt = now() + session.timeout;
    return session;
  };
  var openSession = ({ autoTrack, timeout } = {}) => {
    const session = info();
    if (!Number.isInteger(timeout) || timeout < 0) timeout = TIMEOUT_MS2;
    if (session.manualTrack) return;
    if (autoTrack === false || !timeout) return write(ENTRY);
    session.autoTrack = true;
    session.timeout = timeout;
    session.cutOff = shared.cutOff(session, timeout);
    write(ENTRY, renew(session));
  };
  var touchSession = () => {
    const session = info();
    if (session.autoTrack) renew(session);
    if (session.id) {
      session.sessionStart = session.sessionStart === void 0;
      write(ENTRY, session);
    }
    return session;
  };
  var resetSession = () => {
    const session = info();
    if (session.autoTrack) {
      session.expiresAt = 0;
      write(ENTRY, renew(session));
    } else if (session.manualTrack) write(ENTRY, { id: now(), manualTrack: true });
  };
  var sessionId = () => {
    const session = info();
    return (session.manualTrack || isLive(session)) && session.id || null;
  };

  // src/identity.ts
  var anonymousId = () => {
    let id = read("anonymousId");
    if (!id) write("anonymousId", id = shared.firstId() || uuid());
    return id;
  };
  var reset = (given) => ENTRIES.forEach((entry, at) => {
    const wish = ((given || {}).entries || {})[entry];
    if (wish !== true && (wish === false || at > (given === true ? 6 : 5))) return;
    if (entry === "sessionInfo") resetSession();
    else write(entry, entry === "anonymousId" ? uuid() : "");
  });

  // src/version.ts
  var VERSION = "0.1.0";
  var BUILD = "nUf8";

  // src/message.ts
  var name = "RudderLabs JavaScript SDK";
  var app = { name, namespace: "com.rudderlabs.javascript", version: VERSION };
  var mergeContext = (context, given) => {
    const copy = clone(given);
    if (!isObject(copy) || /"(constructor|prototype)":/.test(json(copy))) return context;
    for (const key of ["library", "consentManagement", "userAgent", "ua-ch", "screen"]) delete copy[key];
    return merge(context, copy);
  };
  var text = (value) => isString(value) || value == null ? value : json(value);
  var readCall = (type, given, originalTimestamp, details) => {
    let [a, b, c, d] = given;
    let id;
    let traits;
    const message = {
      // First, so that the queue sees it without reading the event.
      type,
      channel: "web",
      event: null,
      properties: null,
      originalTimestamp,
      messageId: uuid(),
      integrations: { All: true }
    };
    if (type === "track") {
      message.event = (isString(a) || a === +a) && a + "" || null;
      message.properties = b == null ? {} : b;
    } else if (type === "page") {
      if (isObject(a)) [a, b, c, d] = [, , a, b];
      else if (isObject(b)) [a, b, c, d] = [, isString(a) ? a : void 0, b, c];
      else if (isString(a) && !isString(b)) [a, b] = [, a];
      c = isObject(c) ? c : {};
      message.name = b;
      message.category = a;
      if (isString(b) && b) c.name = b;
      if (isString(a) && a) c.category = a;
      message.properties = c;
      c = d;
    } else if (type === "alias") {
      if (isObject(b) || b === null) [b, c] = [, b];
      id = text(a);
      message.previousId = b === void 0 ? read("userId") || anonymousId() : text(b);
    } else {
      if (isObject(a) || a === null) [a, b, c] = [null, a, b];
      id = text(a);
      traits = isObject(b) && b;
      const who = type === "group" ? type : "user";
      const known = read("userId");
      if (who === "user" && id && known && id !== known) reset();
      if (id !== null) write(`${who}Id`, id || "");
      const entry = `${who}Traits`;
      write(entry, traits ? merge(read(entry) || {}, traits) : {});
    }
    const isGroup = type === "group";
    const session = touchSession();
    details.initial_referrer = read("initialReferrer") || "";
    details.initial_referring_domain = read("initialReferringDomain") || "";
    const options = isObject(c) ? c : {};
    if (type === "page") {
      const { properties } = message;
      for (const key of keys(details)) {
        if (properties[key] === void 0) properties[key] = (options.page || {})[key] || details[key];
        details[key] = properties[key] || details[key];
      }
    }
    if (isGroup) {
      message.groupId = id || read("groupId") || void 0;
      message.traits = read("groupTraits") || traits || {};
    }
    message.userId = !isGroup && id || read("userId") || "";
    message.anonymousId = anonymousId();
    message.context = merge(
      assign(
        {
          traits: read("userTraits") || !isGroup && traits || {},
          sessionId: session.id,
          sessionStart: session.sessionStart || void 0,
          app,
          library: { name, version: VERSION, variant: "sternpost", snippetVersion: page.RudderSnippetVersion },
          page: details
        },
        browserContext(),
        view
      ),
      shared.custom
    );
    for (const key of keys(options)) {
      const value = options[key];
      if (/^(anonymousId|originalTimestamp|integrations)$/.test(key)) {
        if (isFilled(value) && (key === "integrations" ? isObject : isString)(value)) message[key] = value;
      } else message.context = mergeContext(message.context, key === "context" ? value : { [key]: value });
    }
    return [clone(message), traits || {}];
  };

  // src/sdk.ts
  var DEFAULTS = {
    integrations: { All: true },
    storage: {},
    queueOptions: {},
    destinationsQueueOptions: {},
    preConsent: {},
    consentManagement: {}
  };
  var WAIT_MS2 = 1e3;
  var RETRY_MS_MAX2 = 6e4;
  var NEEDS_MORE = /"(consentM|autoT|uaC|sendA|sourceC|externalA|anonymousIdO|context"|cutO)[^:]*:(?!f|"none|\{(}|"enabled":f))|"logLevel":"[LIDW]|"type":"none|[?&]ajs_/;
  var httpUrl = (url2) => (/^https?:.*[^/]/.exec(attempt(() => new URL(url2).href)) || [""])[0];
  var createSdk = (origin, installType, more) => {
    const sdk = {};
    app.installType = installType;
    let options = DEFAULTS;
    let writeKey2 = "";
    let dataPlaneUrl = "";
    let config;
    let isReady = false;
    let isDisabled = false;
    let isNamed = false;
    let early = [];
    const readyCalls = [];
    let isMissing;
    let rare = [];
    const run = (callback, ...given) => {
      try {
        callback(...given);
      } catch (cause) {
        log(cause);
      }
    };
    const emit = (type, given, at) => {
      const index = given.findIndex(isFunction);
      const [message, own2] = readCall(type, given.slice(0, index < 0 ? 4 : index), ...at);
      if (isDisabled) return;
      if (options.useGlobalIntegrationsConfigInEvents === true) message.integrations = clone(options.integrations);
      nameVisitor(message);
      shared.send(message);
      toDevices({ type, message, own: own2 });
      if (index >= 0) run(given[index], assign({ sentAt: iso() }, message));
    };
    shared.send = (message) => {
      enqueue(
        json(message, function(_, value) {
          return value === null && !isList(this) ? void 0 : value;
        })
      );
      nudge();
    };
    const storageType = (entry) => {
      const { type, entries = {} } = options.storage;
      return (entries[entry] || {}).type || type || "cookieStorage";
    };
    const openIdentity = () => {
      openStorage(options, storageType);
      isNamed = true;
      anonymousId();
      const from = read("initialReferrer") || referrer();
      write("initialReferrer", from);
      write("initialReferringDomain", read("initialReferringDomain") || hostOf(from));
      openSession(options.sessions);
      shared.opened();
    };
    const load = ([key, url2, given]) => {
      if (options !== DEFAULTS) return;
      if (isObject(url2)) [url2, given] = [origin, url2];
      dataPlaneUrl = httpUrl(url2 || origin);
      if (!isString(key) || !key.trim() || !dataPlaneUrl) return log("load:", key, url2);
      options = assign({}, merge(DEFAULTS, given, true));
      options.integrations = clone(options.integrations);
      setLevel(options.logLevel);
      start = () => {
        start = void 0;
        writeKey2 = key;
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
        openStorage(options, storageType);
        isNamed = !/externalA|anonymousIdO/.test(wishes);
      }
    };
    let start;
    const goOn = () => {
      if (options === DEFAULTS) return;
      if (start) start();
      const calls = early || [];
      early = void 0;
      for (const call of calls) call();
    };
    const needMore = () => {
      if (isMissing === false) return;
      setTimeout(goWithout, WAIT_MS2);
      if (isMissing) return;
      isMissing = true;
      early = early || [];
      on(window, "pagehide", goWithout, true);
      if (isString(more)) fetchMore(more, WAIT_MS2);
      else sdk.install(more, BUILD);
    };
    const fetchMore = (url2, waitMs) => {
      const script = addScript(url2);
      script.onload = script.onerror = () => {
        if (!isMissing) return;
        if (waitMs === WAIT_MS2) log("not available:", url2);
        setTimeout(fetchMore, waitMs, url2, Math.min(waitMs * 2, RETRY_MS_MAX2));
      };
    };
    const goWithout = () => {
      const { consentManagement, preConsent } = options;
      const isGuarded = consentManagement.enabled === true;
      if (!isMissing || isGuarded && preConsent.enabled === true) return;
      if (isGuarded) view.consentManagement = clone(consentManagement);
      goOn();
      shared.isClosed = isGuarded;
    };
    const configBase = () => httpUrl(options.configUrl || origin || dataPlaneUrl);
    const openConfig = () => {
      const base = configBase();
      const own2 = options.getSourceConfig;
      setTimeout(startDelivery, WAIT_MS2);
      if (!base && !own2) return log("configUrl:", options.configUrl);
      fetchConfig(own2 ? "" : configAddress(base, { p: installType, v: VERSION, writeKey: writeKey2 }), basicAuth(writeKey2), own2, startDelivery).then((answer) => attempt(() => takeConfig(answer)));
    };
    const takeConfig = (answer) => {
      if (answer.source.enabled === false) {
        isDisabled = true;
        settle(items);
        return log("source disabled");
      }
      config = answer;
      startDelivery();
      if (options.onLoaded) run(options.onLoaded, sdk);
      announce("RSA_Initialised");
      if (shared.isClosed) becomeReady();
      else loadDevices();
    };
    const loadDevices = () => {
      if (!config) return;
      const analytics = assign({ loadOnlyIntegrations: options.integrations }, sdk);
      openDevices(shared.choose(config), options.integrations, analytics, [origin || dataPlaneUrl, writeKey2], becomeReady);
    };
    const becomeReady = () => {
      if (isReady) return;
      isReady = true;
      for (const callback of readyCalls) run(callback);
      announce("RSA_Ready");
    };
    const announce = (event) => {
      document.dispatchEvent(new CustomEvent(event, { detail: { analyticsInstance: sdk }, bubbles: true }));
    };
    const commands = {
      ready([callback]) {
        if (!isFunction(callback)) log("ready:", callback);
        else if (isReady) run(callback);
        else readyCalls.push(callback);
      },
      reset([given]) {
        reset(given);
        watchDevices();
      },
      setAnonymousId: ([id]) => write("anonymousId", isString(id) && id ? id : uuid()),
      setDefaultInstanceKey() {
      },
      load
    };
    for (const type of ["identify", "track", "page", "group", "alias"]) commands[type] = (given, at) => emit(type, given, at);
    for (const method of keys(commands).concat("consent setCustomContext clearCustomContext addCustomIntegration setAuthToken startSession endSession".split(" "))) {
      sdk[method] = (...given) => {
        const at = [iso(), pageProperties()];
        const values = /^(lo|ad)/.test(method) ? given : given.map((one) => isFunction(one) ? one : clone(one));
        const call = () => {
          if (commands[method]) run(commands[method], values, at);
          else rare.push(call);
        };
        if (!commands[method]) needMore();
        if (early && method !== "load") early.push(call);
        else call();
      };
    }
    sdk.install = (install, build) => {
      if (!isMissing || build !== BUILD) return;
      const queued = rare.concat(early || []);
      early = rare = [];
      install([sdk, commands, shared, view, write, readCookie, openIdentity, persist, loadDevices, forgetWaiting, () => [writeKey2, config]]);
      isMissing = false;
      shared.isClosed = false;
      if (writeKey2) {
        shared.begin(options, configBase());
        shared.opened();
      }
      early = early.concat(queued);
      goOn();
      if (!shared.isClosed) loadDevices();
    };
    return assign(sdk, {
      getAnalyticsInstance: () => sdk,
      getAnonymousId: () => isNamed ? anonymousId() : void 0,
      getUserId: () => read("userId") || "",
      getUserTraits: () => clone(read("userTraits") || {}),
      getGroupId: () => read("groupId") || "",
      getGroupTraits: () => clone(read("groupTraits") || {}),
      getSessionId: sessionId,
      getCustomContext: customContext
    });
  };

  // src/global.ts
  var waiting2 = page.rudderanalytics || [];
  if (isList(waiting2)) {
    const src = attempt(() => document.currentScript.src) || "";
    const sdk = createSdk(attempt(() => new URL(src).origin) || "", "cdn", src.replace(/\/sp([^/?]*)[^/]*$/, "/sp.more$1?" + BUILD));
    page.rudderanalytics = sdk;
    const call = ([name2, ...given]) => attempt(() => sdk[name2](...given));
    const rank = ([name2]) => (name2 === "load") - (name2 === "consent");
    waiting2.slice().sort((left, right) => rank(left) - rank(right)).forEach(call);
    waiting2.push = call;
  }
})();
