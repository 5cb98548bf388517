/*! Sternpost browser SDK, Apache-2.0 */
"use strict";
(() => {
  // src/log.ts
  var LEVELS = ["LOG", "INFO", "DEBUG", "WARN", "ERROR", "NONE"];
  var DEBUG = 2;
  var WARN = 3;
  var ERROR = 4;
  var lowest = ERROR;
  var setLevel = (name) => {
    if (LEVELS.includes(name)) lowest = LEVELS.indexOf(name);
  };
  var log = (level, ...words) => {
    if (level >= lowest) console[LEVELS[level].toLowerCase()]("Sternpost:", ...words);
  };

  // src/util.ts
  var isString = (value) => typeof value === "string";
  var isFunction = (value) => typeof value === "function";
  var isObject = (value) => ({}).toString.call(value) === "[object Object]";
  var isList = Array.isArray;
  var keys = Object.keys;
  var assign = Object.assign;
  var page = window;
  var now = () => Date.now();
  var attempt = (make) => {
    try {
      return make();
    } catch (_) {
      return void 0;
    }
  };
  var parse = (text) => attempt(() => JSON.parse(text));
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
  var on = (target, name, listener) => target.addEventListener(name, listener);
  var request = async (url, init, timeoutMs) => fetch(url, assign({ signal: AbortSignal.timeout && AbortSignal.timeout(timeoutMs) }, init));
  var pushBounded = (list, entry, max, typeOf) => {
    list.push(entry);
    if (list.length > max) list.splice(Math.max(0, list.findIndex((one) => /^(track|page)/.test(typeOf(one)))), 1);
  };

  // src/pendo/agent.ts
  var tell = (object, name, ...args) => attempt(() => isFunction(object[name]) && object[name](...args));

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
  var TEST = "rl_test";
  var webStorage = (name) => attempt(() => (page[name].getItem(TEST), page[name]));

  // src/pendo/anonymous.ts
  var PREFIX = "_PENDO_T_";
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
    if (used !== anonymousId) return PREFIX + anonymousId;
    if (!fresh) remember([used, PREFIX + uuid()]);
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
    const text = String(value).trim();
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text)) return fromNumber(+text);
    let [, year, month, day, ...rest] = ISO.exec(text) || [];
    if (!year) {
      const [, words, found, ...clock] = WORDED.exec(text) || [];
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
      const text = new Date(+local - +(sign + "60000") * offset).toISOString();
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
    const offer = (key, value, depth) => {
      if (isObject(value)) {
        if (settings.nestedTraits !== "drop" && depth < DEPTH_MAX && key.length <= KEY_CHARS_MAX) {
          for (const name2 of keys(value)) offer(key + "_" + name2, value[name2], depth + 1);
        }
        return;
      }
      const name = cleanKey(key);
      const rank = depth ? 0 : name === key ? 2 : 1;
      if (name && !(leaves[name] && leaves[name].rank > rank)) leaves[name] = { key, value, rank };
    };
    for (const key of keys(traits)) {
      if (key !== leftOut && cleanKey(key) !== "id") offer(key, traits[key], 0);
    }
    const values = {};
    for (const name of keys(leaves)) {
      const { key, value } = leaves[name];
      let cleaned;
      if (isList(value)) {
        const items = value.map(scalar).filter((item) => item !== void 0);
        cleaned = settings.metadataGroup === "custom" ? scalar(items.join(",")) : items;
      } else cleaned = scalar(isDateKey(key) && asDate(value) || value);
      if (cleaned !== void 0) values[name] = cleaned;
    }
    return values;
  };
  var cleanKey = (key) => {
    const name = key.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/\W/gu, "_");
    return /[A-Za-z\d]/.test(name) ? name.replace(/^(?=\d)/, "_").toLowerCase() : "";
  };
  var scalar = (value) => isString(value) ? Array.from(value).slice(0, TEXT_CHARS_MAX).join("") : Number.isFinite(value) || typeof value === "boolean" ? value : void 0;

  // src/pendo/hosts.ts
  var INFIX = { eu: ".eu", jp: ".jpn", au: ".au" };
  var pendoHost = (config, role) => (config.hosts || {})[role] || `https://${config.region === "us1" ? "us1." : ""}${role === "data" ? role : "cdn"}${INFIX[config.region] || ""}.pendo.io`;

  // src/pendo/index.ts
  var LOOK_MS = 50;
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
    let waiting = [];
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
        if (fresh.startsWith(PREFIX)) remember([recall()[0], fresh]);
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
    const watch = () => {
      const present = presentPerson();
      if (present.user === person.user || waiting[0]) return;
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
          for (const name of ["identify", "updateOptions", "pageLoad", "track"]) pendo[name] = (...rest) => pendo._q.push([name, ...rest]);
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
          waiting.splice(0).forEach(take);
        } else if (waitedMs < READY_MS) {
          setTimeout(look, LOOK_MS, hasArrived && document.readyState !== "complete" ? waitedMs : waitedMs + LOOK_MS);
        } else fail(hasArrived ? "failed" : "slow");
      };
      look(0);
    };
    const fail = (state) => {
      if (status !== LOADING) return;
      status = OFF;
      hasFailed = true;
      waiting = [];
      log(ERROR, "Pendo's agent:", state);
      report(state);
    };
    const report = (state, ms) => {
      const [base2, writeKey] = home;
      const body = JSON.stringify({ destination: id, state, ms });
      const url = base2 + "/lib/health?writeKey=" + encodeURIComponent(writeKey);
      request(url, { method: "POST", body, keepalive: true }, READY_MS).catch(() => {
      });
    };
    const forgetStranger = (own) => {
      attempt(() => {
        const key = (name) => `_pendo_${name}.${config.apiKey}`;
        const kept = JSON.parse(localStorage.getItem(key("visitorId"))).value;
        if (kept === own || kept.startsWith(PREFIX)) return;
        for (const name of ["visitorId", "accountId", "oldVisitorId", "meta"]) localStorage.removeItem(key(name));
      });
    };
    const flush = () => {
      clearTimeout(flushTimer);
      flushTimer = 0;
      if (status === READY) agent("flushNow");
    };
    const take = (parcel) => {
      if (status === READY) attempt(() => handle(parcel));
      else if (status !== OFF) {
        pushBounded(waiting, parcel, WAITING_MAX, ({ message }) => message.type);
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
      flushTimer = flushTimer || setTimeout(flush, FLUSH_MS);
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
        setInterval(() => attempt(watch), WATCH_MS);
        on(document, "visibilitychange", flush);
        on(window, "pagehide", flush);
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
      watch,
      /** Consent was withdrawn: nothing more is collected. */
      stop() {
        status = OFF;
        waiting = [];
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

  // src/bundle.ts
  var script = document.currentScript;
  var base = script && attempt(() => new URL(script.src).origin) || "";
  var writeKeyOf = (config, analytics) => config.writeKey || analytics.writeKey || keys(page.RudderStackGlobals || {}).find((key) => key !== "app") || "";
  var Pendo = class {
    constructor(config, analytics, info) {
      return createPendo(config, analytics, (info || {}).destinationId, [base, writeKeyOf(config, analytics)], false);
    }
  };
  if (!(page.Pendo_RS || {}).Pendo) page.Pendo_RS = { Pendo };
})();
