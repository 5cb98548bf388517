/*
 * The sandbox's stand-in for Pendo's web agent: our own code, the genuine agent's wire format.
 *
 * It drains the snippet's queue, keeps who is there, and sends identify, meta, load and track events as jzb to
 * /data/ptm.gif and asks for guides. It shows no guides and captures no clicks.
 */
(function () {
  "use strict";
  var APP_KEY = "__APP_KEY__";
  var CONFIG = __CONFIG__;
  var VERSION = "2.0.0_sandbox";
  var PREFIX = "_PENDO_T_";
  var PLACEHOLDER = "VISITOR-UNIQUE-ID"; // of the snippet; that of the account is an id like any other
  var GET_CHARS_MAX = 1900; // jzb and jwt together; above it the agent uses POST
  var POST_CHARS_MAX = 65536;
  var FLUSH_MS = 120000;
  var STORED_MS = 100 * 24 * 3600 * 1000;
  var BACK_OFF_MS_MAX = 64000;

  var pendo = (window.pendo = window.pendo || {});
  if (pendo.isReady && pendo.isReady()) return;
  var script = document.currentScript;
  var ownOrigin = script && script.src ? new URL(script.src, location.href).origin : location.origin;

  var options = null;
  var visitor = {};
  var account = {};
  var parentAccount = {};
  var visitorId = null;
  var accountId = null;
  var sequence = 0;
  var lastMeta = null;
  var sentMeta = null; // checksum; null: as the store says
  var stopped = false;
  var queues = { normal: [], track: [] };
  var sending = { normal: Promise.resolve(), track: Promise.resolve() };
  var ids = { tabId: random(16), frameId: random(16), sessionId: random(16) };

  // --- ids -----------------------------------------------------------------------------------------------------------

  function random(length) {
    var letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    var bytes = crypto.getRandomValues(new Uint8Array(length));
    return Array.prototype.map.call(bytes, function (byte) { return letters[byte % letters.length]; }).join("");
  }

  /** The id as text; null for blank ones, `::`, booleans and objects. */
  function usableId(value) {
    if (typeof value === "number" && isFinite(value)) value = String(value);
    if (typeof value !== "string" || !value.trim() || value.trim() === "::") return null;
    return value;
  }

  function isAnonymousVisitor(id) {
    return String(id === undefined ? visitorId : id).indexOf(PREFIX) === 0;
  }

  // --- storage -------------------------------------------------------------------------------------------------------

  function persists() {
    return !(options && (options.disablePersistence || options.disableCookies));
  }

  function store(name, value) {
    if (!persists()) return;
    try {
      localStorage.setItem(name + "." + APP_KEY, JSON.stringify({ ttl: Date.now() + STORED_MS, value: value }));
    } catch (error) { /* a page without storage still sends */ }
  }

  function stored(name) {
    if (!persists()) return null;
    try {
      var entry = JSON.parse(localStorage.getItem(name + "." + APP_KEY));
      return entry && entry.ttl > Date.now() ? entry.value : null;
    } catch (error) {
      return null;
    }
  }

  function setVisitorId(id) {
    visitorId = id;
    store("_pendo_visitorId", id);
  }

  function setAccountId(id) {
    accountId = id;
    store("_pendo_accountId", id);
  }

  // --- packing -------------------------------------------------------------------------------------------------------

  function base64url(bytes) {
    var text = "";
    for (var at = 0; at < bytes.length; at += 8192) text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192));
    return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  /** A zlib stream of stored blocks: needs no compressor and no waiting, for pages that are being left. */
  function packAtOnce(value) {
    var raw = new TextEncoder().encode(JSON.stringify(value));
    var blocks = Math.max(1, Math.ceil(raw.length / 65535));
    var out = new Uint8Array(2 + raw.length + 5 * blocks + 4);
    var at = 2;
    out[0] = 0x78;
    out[1] = 0x01;
    for (var block = 0; block < blocks; block++) {
      var part = raw.subarray(block * 65535, (block + 1) * 65535);
      out.set([block === blocks - 1 ? 1 : 0, part.length & 255, part.length >> 8, ~part.length & 255, (~part.length >> 8) & 255], at);
      out.set(part, at + 5);
      at += 5 + part.length;
    }
    var a = 1, b = 0;
    for (var i = 0; i < raw.length; i++) {
      a = (a + raw[i]) % 65521;
      b = (b + a) % 65521;
    }
    out.set([b >> 8, b & 255, a >> 8, a & 255], at);
    return base64url(out);
  }

  function pack(value) {
    if (typeof CompressionStream === "undefined") return Promise.resolve(packAtOnce(value));
    var stream = new Blob([JSON.stringify(value)]).stream().pipeThrough(new CompressionStream("deflate"));
    return new Response(stream).arrayBuffer().then(function (buffer) { return base64url(new Uint8Array(buffer)); });
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  function dataHost() {
    return (options && options.dataHost) || (CONFIG.dataHost ? "https://" + CONFIG.dataHost : ownOrigin);
  }

  function address(path, parameters) {
    return dataHost() + path + "?" + new URLSearchParams(parameters).toString();
  }

  function appKeys() {
    return [APP_KEY].concat((options && options.additionalApiKeys) || []);
  }

  function event(type, props, more) {
    return Object.assign({
      type: type, browser_time: Date.now(), visitor_id: visitorId, account_id: accountId, url: location.href, props: props,
      parentTabId: null, tabId: ids.tabId, frameId: ids.frameId, sessionId: ids.sessionId, utm: { channel: "Direct" }, sequence: sequence++
    }, more);
  }

  /** An event waits to be sent; while sending is stopped it is not kept. */
  function collect(name, one) {
    if (!stopped) queues[name].push(one);
  }

  function signature() {
    return options && options.jwt ? { jwt: options.jwt, signingKeyName: options.signingKeyName } : {};
  }

  /** Send what waits in a queue; the next batch leaves when this one has arrived. */
  function flush(name) {
    var events = queues[name];
    if (!events.length || stopped) return sending[name];
    queues[name] = [];
    sending[name] = sending[name].then(function () {
      return pack(events).then(function (jzb) {
        return Promise.all(appKeys().map(function (key) { return deliver(key, jzb, name, 0); }));
      });
    });
    return sending[name];
  }

  function deliver(key, jzb, name, attempt) {
    var signed = signature();
    var parameters = { v: VERSION, ct: Date.now() };
    if (name === "track") parameters.type = "track";
    if (attempt) parameters.rt = attempt;
    var path = "/data/ptm.gif/" + key;
    var sent;
    if (jzb.length + (signed.jwt || "").length <= GET_CHARS_MAX) {
      sent = image(address(path, Object.assign(parameters, { jzb: jzb }, signed)));
    } else if (jzb.length <= POST_CHARS_MAX) {
      parameters.s = jzb.length;
      sent = fetch(address(path, parameters), {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(Object.assign({ events: jzb }, signed))
      }).then(function (answer) { if (!answer.ok) throw new Error(String(answer.status)); });
    } else {
      return Promise.resolve(image(address("/data/log.gif/" + key, { v: VERSION, ct: Date.now(), msg: "batch too large" })).catch(nothing));
    }
    return sent.catch(function () {
      // What was not answered with an image is sent again, and nothing behind it leaves before.
      return wait(Math.min(1000 * Math.pow(2, attempt), BACK_OFF_MS_MAX)).then(function () {
        return stopped ? undefined : deliver(key, jzb, name, attempt + 1);
      });
    });
  }

  function image(url) {
    return new Promise(function (done, failed) {
      var pixel = new Image();
      pixel.onload = function () { done(); };
      pixel.onerror = failed;
      pixel.src = url;
    });
  }

  function wait(ms) {
    return new Promise(function (done) { setTimeout(done, ms); });
  }

  function nothing() {}

  /** The page goes away: everything leaves now, by beacon, packed without waiting. */
  function flushUnload() {
    Object.keys(queues).forEach(function (name) {
      if (!queues[name].length || stopped) return;
      var jzb = packAtOnce(queues[name]);
      queues[name] = [];
      var parameters = { v: VERSION, ct: Date.now(), s: jzb.length };
      if (name === "track") parameters.type = "track";
      appKeys().forEach(function (key) {
        navigator.sendBeacon(address("/data/ptm.gif/" + key, parameters), JSON.stringify(Object.assign({ events: jzb }, signature())));
      });
    });
  }

  function askForGuides(oldVisitorId) {
    if (stopped || (options && options.disableGuides)) return;
    var asked = { visitorId: visitorId, accountId: accountId, url: location.href, oldVisitorId: oldVisitorId, metadata: JSON.parse(lastMeta || "{}") };
    pack(asked).then(function (jzb) {
      var parameters = { id: sequence, v: VERSION, ct: Date.now() };
      var signed = signature();
      if (jzb.length > 2000 || signed.jwt) {
        return fetch(address("/data/guide.json/" + APP_KEY, parameters), {
          method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(Object.assign({ events: jzb }, signed))
        });
      }
      return fetch(address("/data/guide.json/" + APP_KEY, Object.assign(parameters, { jzb: jzb })));
    }).then(function (answer) {
      if (answer.status === 451) stopped = true; // do not process: nothing more leaves
    }).catch(nothing);
  }

  // --- who is there --------------------------------------------------------------------------------------------------

  /** Take over ids and metadata; tells Pendo what changed. What is left out is forgotten, but for the ids. */
  function become(given, first) {
    visitor = given.visitor || {};
    account = given.account || {};
    parentAccount = given.parentAccount || {};
    name(visitor.id, account.id, usableId(parentAccount.id), first);
  }

  /** Change who is there. An account id that is missing keeps the present account, one that is no id clears it. */
  function name(visitorGiven, accountGiven, parent, first) {
    var oldVisitorId = visitorId;
    var oldAccountId = accountId;
    var nextVisitor = visitorGiven === PLACEHOLDER ? null : usableId(visitorGiven);
    var nextAccount = accountGiven === undefined ? accountId : usableId(accountGiven);
    if (accountGiven !== undefined && nextAccount && parent && nextAccount.indexOf("::") < 0) nextAccount = parent + "::" + nextAccount;
    if (nextVisitor && nextVisitor !== visitorId) {
      store("_pendo_oldVisitorId", visitorId);
      setVisitorId(nextVisitor);
    }
    if (nextAccount !== accountId) setAccountId(nextAccount);
    var merges = oldVisitorId && isAnonymousVisitor(oldVisitorId) && !isAnonymousVisitor(visitorId);
    if (merges || (accountId && accountId !== oldAccountId)) {
      collect("normal", event("identify", {
        old_visitor_id: oldVisitorId || undefined, old_account_id: oldAccountId, visitor_id: visitorId, account_id: accountId
      }));
    }
    if (first !== undefined) sendMeta();
    if (first) collect("normal", event("load", { load_time: performance.now() }));
    flush("normal");
    if (first || visitorId !== oldVisitorId || accountId !== oldAccountId) askForGuides(oldVisitorId);
  }

  function sendMeta() {
    if (CONFIG.blockAgentMetadata) return;
    var props = {
      visitor: Object.assign({}, visitor, { id: visitorId, language: (navigator.language || "en").replace("-", "_") }),
      account: Object.assign({}, account, { id: accountId }),
      parentAccount: parentAccount,
      date: new Date().toLocaleDateString("en-GB"),
      version: VERSION
    };
    var meta = JSON.stringify(props);
    lastMeta = meta;
    // Only what changed is sent, also by the next page.
    var sum = checksum(meta);
    if (sum === (sentMeta === null ? stored("_pendo_meta") : sentMeta)) return;
    sentMeta = sum;
    store("_pendo_meta", sum);
    collect("normal", event("meta", JSON.parse(meta)));
  }

  function checksum(text) {
    var sum = 0;
    for (var at = 0; at < text.length; at++) sum = (sum * 31 + text.charCodeAt(at)) | 0;
    return sum;
  }

  // --- what the page calls -------------------------------------------------------------------------------------------

  var api = {
    initialize: function (given) {
      if (options) return;
      options = given || {};
      var kept = usableId(stored("_pendo_visitorId"));
      var named = usableId((options.visitor || {}).id);
      if (kept && !options.forceAnonymous) visitorId = kept;
      else if (!named || named === PLACEHOLDER) setVisitorId(PREFIX + random(11));
      accountId = usableId(stored("_pendo_accountId"));
      become(options, true);
      setInterval(api.flushNow, FLUSH_MS);
      window.addEventListener("pagehide", flushUnload);
      document.addEventListener("visibilitychange", function () { if (document.visibilityState === "hidden") flushUnload(); });
      if (options.events && options.events.ready) options.events.ready();
      window.dispatchEvent(new Event("pendo_ready"));
    },
    identify: function (who, accountGiven) {
      // The text form keeps the metadata of the one before, as the genuine agent does, and sends none.
      if (who === null || typeof who !== "object") name(who, accountGiven);
      else become(who, false);
    },
    updateOptions: function (given) { become(given || {}, false); },
    track: function (name, props) {
      if (typeof name !== "string" || !name) return;
      if (props !== undefined && (props === null || typeof props !== "object")) props = { __err__: props };
      collect("track", event("track", JSON.parse(JSON.stringify(props || {})), { track_event_name: name }));
    },
    trackAgent: function (type, props) {
      collect("normal", event(String(type), JSON.parse(JSON.stringify(props || {}))));
    },
    pageLoad: function () {
      collect("normal", event("load", { load_time: performance.now() }));
      flush("normal");
    },
    clearSession: function () {
      visitor = {};
      account = {};
      parentAccount = {};
      lastMeta = null;
      sentMeta = 0;
      setVisitorId(PREFIX + random(11));
      setAccountId(null);
      askForGuides(null);
    },
    flushNow: function (how) {
      if (how && how.unload) {
        flushUnload();
        return Promise.resolve();
      }
      return Promise.all([flush("normal"), flush("track")]).then(nothing);
    },
    teardown: function () {
      flushUnload();
      stopped = true;
    },
    stopSendingEvents: function () { stopped = true; },
    startSendingEvents: function () { stopped = false; },
    isReady: function () { return options !== null; },
    getVisitorId: function () { return visitorId; },
    getAccountId: function () { return accountId; },
    isAnonymousVisitor: isAnonymousVisitor,
    generate_unique_id: function (prefix) { return (prefix || "") + random(11); },
    getSerializedMetadata: function () { return JSON.parse(lastMeta || "{}"); },
    getVersion: function () { return VERSION; },
    isSendingEvents: function () { return !stopped; },
    setGuidesDisabled: nothing,
    areGuidesDisabled: function () { return true; },
    guidesPayload: nothing
  };

  var waiting = pendo._q || [];
  Object.assign(pendo, api, { _q: { push: call, unshift: call } });

  function call(entry) {
    var method = api[entry[0]];
    if (method) method.apply(pendo, Array.prototype.slice.call(entry, 1));
  }

  function start() {
    waiting.splice(0).forEach(call);
  }

  // The genuine agent waits for the document, unless it is told not to.
  var early = waiting.some(function (entry) { return entry[0] === "initialize" && entry[1] && entry[1].initializeImmediately; });
  if (early || document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();
