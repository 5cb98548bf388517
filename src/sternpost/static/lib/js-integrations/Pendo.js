/*! Sternpost, Apache-2.0 */
"use strict";
(() => {
  // src/log.ts
  var isQuiet = false;
  var setLevel = (name) => {
    isQuiet = name === "NONE";
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
  var idOf = (value) => value == null ? "" : String(value).trim();
  var TIMEOUT_MS = 3e4;
  var request = (url, init) => fetch(url, assign({ signal: attempt(() => AbortSignal.timeout(TIMEOUT_MS)) }, init));
  var addScript = (src) => {
    const script2 = document.createElement("script");
    script2.nonce = (document.querySelector("script[nonce]") || script2).nonce;
    script2.src = src;
    return document.head.appendChild(script2);
  };
  var push = (list, entry, max) => {
    list.push(entry);
    return list.splice(Math.max(0, list.findIndex((one) => !one.isSending && /^(track|page)/.test(one.type))), +(list.length > max));
  };

  // src/pendo/agent.ts
  var tell = (object, name, ...args) => attempt(() => object[name](...args));

  // src/pendo/anonymous.ts
  var PREFIX = "_PENDO_T_";
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
  var anonymousVisitor = (anonymousId) => {
    const [used, fresh] = recall();
    if (used !== anonymousId) return PREFIX + anonymousId;
    if (!fresh) remember([, PREFIX + uuid()]);
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
    const text = String(value).trim();
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text)) return +text < 1e8 || +text >= 1e14 ? void 0 : iso(+text < 1e11 ? +text * 1e3 : +text);
    const [, words, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = ISO.exec(text) || WORDED.exec(text);
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
    const offer = (values, prefix, depth) => {
      for (const own of keys(values)) {
        const key = prefix + own;
        const value = values[own];
        const name = cleanKey(key);
        if (name === "id") continue;
        if (!isObject(value)) leaves.push([depth ? 0 : 1 + +(name === key), name, key, value]);
        else if (settings.nestedTraits !== "drop" && depth < DEPTH_MAX && key.length <= KEY_CHARS_MAX) offer(value, key + "_", depth + 1);
      }
    };
    offer(assign({}, traits, leftOut && { [leftOut]: void 0 }), "", 0);
    const cleaned = {};
    for (const [, name, key, value] of leaves.sort((left, right) => left[0] - right[0])) {
      const items = isList(value) && value.map(scalar).filter((item) => item !== void 0);
      cleaned[name] = items && settings.metadataGroup !== "custom" ? items : scalar(items ? items.join() : isDateKey(key) && asDate(value) || value);
    }
    delete cleaned[""];
    return clone(cleaned);
  };
  var cleanKey = (key) => {
    const name = key.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/\W/gu, "_");
    return /[A-Za-z\d]/.test(name) ? name.replace(/^(?=\d)/, "_").toLowerCase() : "";
  };
  var scalar = (value) => isString(value) ? [...value].slice(0, TEXT_CHARS_MAX).join("") : Number.isFinite(value) || value === !!value ? value : void 0;

  // src/pendo/hosts.ts
  var INFIX = { eu: ".eu", jp: ".jpn", au: ".au" };
  var pendoHost = ({ hosts, region }, role, name) => (hosts || {})[role] || `https://${region === "us1" ? "us1." : ""}${name}${INFIX[region] || ""}.pendo.io`;

  // src/pendo/index.ts
  var LOOK_MS = 50;
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
  var createPendo = (config, analytics, id, [base2, writeKey]) => {
    let status = IDLE;
    let person;
    let isNamed = false;
    let given = "";
    let agentUser = "";
    let agentAnonymous = "";
    let accounts = {};
    let waiting = [];
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
        if (fresh.startsWith(PREFIX)) remember([, fresh]);
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
    const watch = () => {
      const present = presentPerson();
      if (waiting[0] || present.user === person.user && (present.group || !person.group)) return;
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
        const script2 = addScript(`${pendoHost(config, "content", "cdn")}/agent/static/${config.apiKey}/pendo.js`);
        script2.onload = () => hasArrived = true;
        script2.onerror = () => fail("blocked");
      }
      if (!agent("isReady") && ![].some.call(queue, (entry) => entry[0] === "initialize")) {
        given = json(told);
        if (hasStub) agent("initialize", options);
        else {
          for (const name of ["identify", "updateOptions", "pageLoad", "track"]) pendo[name] = (...rest) => pendo._q.push([name, ...rest]);
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
          waiting.splice(0).forEach(take);
        } else if (waitedMs > READY_MS) fail(hasArrived ? "failed" : "slow");
        else setTimeout(look, LOOK_MS, hasArrived && document.readyState !== "complete" ? waitedMs : waitedMs + LOOK_MS);
      };
      look(0);
    };
    const fail = (state) => {
      if (status !== LOADING) return;
      status = FAILED;
      waiting = [];
      log("Pendo:", state);
      report(state);
    };
    const report = (state, ms) => {
      const body = json({ destination: id, state, ms });
      request(base2 + "/lib/health?writeKey=" + encodeURIComponent(writeKey), { method: "POST", body, keepalive: true }).catch(() => {
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
      else if (status < READY) {
        push(waiting, parcel, WAITING_MAX);
        if (status === IDLE) {
          person = presentPerson();
          start();
        }
      }
    };
    const handle = (parcel) => {
      const { type, message, own } = parcel;
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
      if (type === "group") join(idOf(message.groupId), message.traits || {}, own);
      if (isPresent) apply(person);
    };
    const join = (group, merged, own) => {
      const known = accounts[group] || group && group === person.group && person.groupTraits || accounts[""] || {};
      const groupTraits = accounts[group] = merge(known, own || merged);
      if (!group) return;
      assign(person, { group, groupTraits });
      delete accounts[""];
    };
    const sendTrack = ({ message }) => {
      agent("track", idOf(message.event), message.properties || {});
      flushTimer = flushTimer || setTimeout(flush, FLUSH_MS);
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
        setInterval(() => attempt(watch), WATCH_MS);
        on(document, "visibilitychange", flush);
        on(window, "pagehide", flush);
        start();
      },
      /** Throws when the agent failed. */
      isReady() {
        if (status === FAILED) throw Error("Pendo");
        return status !== LOADING;
      },
      take,
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
  var watchGroupCalls = (seen) => {
    const sdk = page.rudderanalytics;
    const original = sdk.group;
    sdk.group = (...given) => {
      attempt(() => {
        const isBare = isObject(given[0]) || given[0] == null;
        const group = idOf(isBare ? sdk.getGroupId() : given[0]);
        const traits = given[isBare ? 0 : 1];
        seen[group] = merge(seen[group] || {}, isObject(traits) ? clone(traits) : {});
      });
      return original.apply(sdk, given);
    };
  };
  var Pendo = class {
    constructor(config, analytics, info) {
      setLevel(analytics.logLevel);
      const pendo = createPendo(config, analytics, (info || {}).destinationId, [base, writeKeyOf(config, analytics)]);
      const seen = {};
      let isPolled = false;
      const take = ({ message }) => {
        const { type } = message;
        pendo.take({ type, message, own: type === "group" ? seen[idOf(message.groupId)] : void 0 });
      };
      const isLoaded = () => {
        isPolled = true;
        return attempt(pendo.isReady) !== false;
      };
      return {
        name: "PENDO",
        init() {
          attempt(() => watchGroupCalls(seen));
          pendo.init();
        },
        /** For v3: throws when the agent failed, which ends v3's wait at once. */
        isReady: () => isPolled ? isLoaded() : pendo.isReady(),
        isLoaded,
        identify: take,
        track: take,
        page: take,
        group: take,
        alias: take,
        /** Hybrid: under which id the agent knows somebody unknown, so that the server uses the same. */
        getDataForIntegrationsObject: () => config.connectionMode === "hybrid" && !idOf(analytics.getUserId()) ? { Pendo: { visitorId: anonymousVisitor(analytics.getAnonymousId()) } } : {}
      };
    }
  };
  if (!(page.Pendo_RS || {}).Pendo) page.Pendo_RS = { Pendo };
})();
