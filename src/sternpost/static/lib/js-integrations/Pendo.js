/*! Sternpost browser SDK, Apache-2.0 */
"use strict";
var Pendo_RS = (() => {
  var __defProp = Object.defineProperty;
  var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
  var __getOwnPropNames = Object.getOwnPropertyNames;
  var __hasOwnProp = Object.prototype.hasOwnProperty;
  var __export = (target, all) => {
    for (var name in all)
      __defProp(target, name, { get: all[name], enumerable: true });
  };
  var __copyProps = (to, from, except, desc) => {
    if (from && typeof from === "object" || typeof from === "function") {
      for (let key of __getOwnPropNames(from))
        if (!__hasOwnProp.call(to, key) && key !== except)
          __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
    }
    return to;
  };
  var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

  // src/bundle.ts
  var bundle_exports = {};
  __export(bundle_exports, {
    Pendo: () => Pendo
  });

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
  var alarm = (...words) => out(4, "warn", words);

  // src/util.ts
  var isString = (value) => typeof value === "string";
  var isFunction = (value) => typeof value === "function";
  var isObject = (value) => ({}).toString.call(value) === "[object Object]";
  var isFilled = (value) => isObject(value) && Object.keys(value).length > 0;
  var isList = Array.isArray;
  var noop = () => {
  };
  var now = () => Date.now();
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
    const text = attempt(
      () => JSON.stringify(value, function(key, entry) {
        while (parents.length && parents[parents.length - 1] !== this) parents.pop();
        if (parents.includes(entry)) return "[Circular Reference]";
        if (typeof entry === "bigint") return "[BigInt]";
        if (entry && typeof entry === "object") parents.push(entry);
        return key === "__proto__" ? void 0 : entry;
      })
    );
    return text === void 0 ? void 0 : JSON.parse(text);
  };
  var merge = (left, right) => {
    const lists = isList(left) && isList(right);
    if (!lists && !(isObject(left) && isObject(right))) return right;
    const merged = lists ? left.slice() : Object.assign({}, left);
    for (const key of Object.keys(right)) merged[key] = merge(merged[key], right[key]);
    return merged;
  };
  var on = (target, name, listener) => target.addEventListener(name, listener);
  var parse = (text) => attempt(() => JSON.parse(text));

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
  var webStorage = (name) => attempt(() => (window[name].getItem("rl_test"), window[name]));

  // src/pendo/anonymous.ts
  var PREFIX = "_PENDO_T_";
  var KEY = "sp_pendo";
  var memory;
  var recall = () => {
    const text = attempt(() => webStorage("localStorage").getItem(KEY));
    const stored = text && parse(text);
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
    if (recall()[0] !== anonymousId) return PREFIX + anonymousId;
    remember((one) => {
      one[1] = one[1] || PREFIX + uuid();
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
    const text = value.trim();
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text)) return fromNumber(+text);
    for (const [form, year, month, day] of FORMS) {
      const found = form.exec(text);
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
      const text = new Date(+local - offset * 6e4).toISOString();
      return text.length === 24 && text > "0001" ? text : void 0;
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
      const items = value.map(scalar).filter((item) => item !== void 0);
      return settings.metadataGroup === "custom" ? scalar(items.join(",")) : items;
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
    const host = (role) => `https://${region === "us1" ? "us1." : ""}${role}${REGIONS[region]}.io`;
    const own = config.hosts || {};
    return { content: own.content || host("cdn"), data: own.data || host("data") };
  };

  // src/pendo/index.ts
  var LOOK_MS = 50;
  var READY_MS = 1e4;
  var SLOW_MS = 5e3;
  var FLUSH_MS = 5e3;
  var WATCH_MS = 1e3;
  var WAITING_MAX = 100;
  var taken = false;
  var idOf = (value) => value == null ? "" : String(value).trim();
  var createPendo = (config, analytics, info, home) => {
    let status = "idle";
    let person;
    let named = false;
    let given = "";
    let agentUser = "";
    let accounts = {};
    let sees = info.embedded;
    let waiting = [];
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
        if (isString(fresh) && fresh.startsWith(PREFIX)) remember((memory2) => memory2[1] = fresh);
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
    const watch = () => {
      const present = presentPerson();
      if (present.user === person.user || waiting.length) return;
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
        waiting.splice(0).forEach(take);
      } else if (waited >= READY_MS) {
        fail(hasArrived() ? "failed" : "slow");
      } else {
        const counts = !hasArrived() || document.readyState === "complete";
        setTimeout(awaitAgent, LOOK_MS, hasArrived, since, waited + (counts ? LOOK_MS : 0));
      }
    };
    const fail = (state) => {
      if (status !== "loading") return;
      status = "failed";
      waiting = [];
      alarm("the Pendo agent is not available: " + state);
      report(state);
    };
    const report = (state, ms) => {
      const url = home.base + "/lib/health?writeKey=" + encodeURIComponent(home.writeKey);
      const body = JSON.stringify({ destination: info.destinationId, state, ms });
      if (home.base) attempt(() => fetch(url, { method: "POST", body, keepalive: true }).catch(noop));
    };
    const forgetStranger = (id) => {
      attempt(() => {
        const key = "." + config.apiKey;
        const kept = JSON.parse(localStorage.getItem("_pendo_visitorId" + key)).value;
        if (kept === id || kept.startsWith(PREFIX)) return;
        for (const name of ["visitorId", "accountId", "oldVisitorId", "meta"]) localStorage.removeItem("_pendo_" + name + key);
      });
    };
    const flush = () => {
      clearTimeout(flushTimer);
      flushTimer = 0;
      if (status === "ready") tell(window.pendo, "flushNow");
    };
    const take = (parcel) => {
      if (status === "ready") attempt(() => handle(parcel));
      else if (status === "idle" || status === "loading") {
        waiting.push(parcel);
        if (waiting.length > WAITING_MAX) {
          const old = waiting.findIndex(({ message }) => /^(track|page)$/.test(message.type));
          waiting.splice(Math.max(old, 0), 1);
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
      const known = accounts[id] || id && id === person.group && person.groupTraits || before;
      const traits = own ? merge(known, own) : sees && accounts[id] ? known : merge(known, merged);
      if (id) {
        person.group = id;
        person.groupTraits = traits;
      }
      accounts[id] = traits;
      if (id) accounts[""] = {};
    };
    const sendTrack = (message) => {
      tell(window.pendo, "track", idOf(message.event), message.properties || {});
      flushTimer = flushTimer || setTimeout(flush, FLUSH_MS);
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
        setInterval(() => attempt(watch), WATCH_MS);
        on(document, "visibilitychange", flush);
        on(window, "pagehide", flush);
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
      watch,
      /** Consent was withdrawn: nothing more is collected. */
      stop() {
        if (status === "failed" || status === "inert") return;
        status = "stopped";
        waiting = [];
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

  // src/bundle.ts
  var script = document.currentScript;
  var base = script && attempt(() => new URL(script.src).origin) || "";
  var writeKeyOf = (config, analytics) => config.writeKey || analytics.writeKey || Object.keys(window.RudderStackGlobals || {}).find((key) => key !== "app") || "";
  var Pendo = class {
    constructor(config, analytics, info) {
      return createPendo(config, analytics, info || {}, { base, writeKey: writeKeyOf(config, analytics) });
    }
  };
  return __toCommonJS(bundle_exports);
})();
