/**
 * Pendo in the page: loads or joins Pendo's agent, keeps it told who is there, and hands it the events (contract, 10.3).
 *
 * One integration for RudderStack's SDKs (bundle contract, section 8) and for ours. It follows the messages in their order and
 * keeps one state: the user, their traits, their account. Only when that differs from what the agent was given last, it makes one
 * `pendo.identify` with both parts in full; the agent forgets what is left out.
 */

import { alarm, debug, setLevel, warn } from '../log';
import { attempt, clone, isFilled, isFunction, isObject, isString, merge, noop, now, on, tell, type Dict } from '../util';
import { anonymousVisitor, PREFIX, recall, remember } from './anonymous';
import { cleanTraits } from './clean';
import { pendoHosts } from './hosts';

const LOOK_MS = 50;
const READY_MS = 10000;
const SLOW_MS = 5000;
/** How long a track may wait in the agent, which by itself keeps it for up to two minutes. */
const FLUSH_MS = 5000;
const WATCH_MS = 1000;
const WAITING_MAX = 100;

/** What the integration needs of the SDK: the getters. */
export interface Analytics extends Dict {
  getUserId(): string;
  getUserTraits(): Dict;
  getGroupId(): string;
  getGroupTraits(): Dict;
  getAnonymousId(): string;
}

/** Where the page tells the server about the agent: `POST <base>/lib/health?writeKey=`. */
export interface Home {
  base: string;
  writeKey: string;
}

export interface Parcel {
  message: Dict;
  /** The traits that the group call itself brought, where the SDK knows them. */
  own?: Dict | undefined;
}

export interface Integration {
  name: string;
  init(): void;
  isReady(): boolean;
  isLoaded(): boolean;
  identify(parcel: Parcel): void;
  track(parcel: Parcel): void;
  page(parcel: Parcel): void;
  group(parcel: Parcel): void;
  alias(): void;
  getDataForIntegrationsObject(): Dict;
  watch(): void;
  stop(): void;
  resume(): void;
}

interface Person {
  /** '' = nobody known. */
  user: string;
  traits: Dict;
  /** The account's id, '' = none. */
  group: string;
  groupTraits: Dict;
}

/** `idle`: no agent is needed yet; `inert`: another destination runs the page's agent. */
type Status = 'idle' | 'loading' | 'ready' | 'failed' | 'stopped' | 'inert';

/** A page has one agent. */
let taken = false;

const idOf = (value: unknown): string => (value == null ? '' : String(value).trim());

export const createPendo = (config: Dict, analytics: Analytics, info: Dict, home: Home): Integration => {
  let status: Status = 'idle';
  /** The person as of the messages handled so far. */
  let person: Person;
  /** Whether a message named a user yet. */
  let named = false;
  /** What the agent was given last, as JSON, and the user of that. */
  let given = '';
  let agentUser = '';
  /** Traits by account, as far as they are known to be its own; under '' those that wait for an id. */
  let accounts: Record<string, Dict> = {};
  /** Whether each group call is seen with the traits that it brings itself. */
  let sees = info.embedded;
  let waiting: Parcel[] = [];
  /** With `hold`: events of somebody unknown, until they are known. */
  let held: Dict[] = [];
  let flushTimer: any;
  let isPolled = false;

  const isHybrid = config.connectionMode === 'hybrid';
  /** Only with `prefix` somebody unknown reaches the agent. */
  const hidesUnknown = /skip|hold/.test(config.anonymousVisitors);
  const mayAppear = (who: Person): boolean => !!who.user || !hidesUnknown;

  // --- who is there ------------------------------------------------------------------------------------------------------

  const presentPerson = (): Person => {
    const group = idOf(analytics.getGroupId());
    return {
      user: idOf(analytics.getUserId()),
      traits: analytics.getUserTraits() || {},
      group,
      groupTraits: accounts[group] || analytics.getGroupTraits() || {},
    };
  };

  /** What the agent is told. The id is set last and always wins. */
  const describe = (who: Person): Dict => {
    const trait = config.parentAccountTrait;
    const id = who.user || anonymousVisitor(analytics.getAnonymousId());
    const told: Dict = { visitor: Object.assign(cleanTraits(who.traits, config), { id }), account: { id: null } };
    if (who.group) {
      told.account = Object.assign(cleanTraits(who.groupTraits, config, trait), { id: who.group });
      const parent = trait && who.groupTraits[trait];
      const parentId = idOf(isObject(parent) ? parent.id : parent);
      if (parentId) told.parentAccount = Object.assign(cleanTraits(isObject(parent) ? parent : {}, config), { id: parentId });
    }
    return told;
  };

  /** Notes whom the agent gets, so that an anonymousId that became a user is not used again. */
  const note = (who: Person): void => {
    agentUser = who.user;
    remember((memory) => {
      if (who.user) {
        memory[0] = analytics.getAnonymousId();
        memory[1] = '';
      }
      memory[2] = who.group;
      memory[3] = who.groupTraits;
    });
  };

  /** Tells the agent who is there, if it does not know. */
  const apply = (who: Person): void => {
    const agent = window.pendo;
    if (agentUser && agentUser !== who.user) {
      // Never from one user straight to another, nor with the account of the one before.
      if (!mayAppear(who)) tell(agent, 'stopSendingEvents');
      tell(agent, 'clearSession');
      given = '';
      accounts = {};
      const fresh = tell(agent, 'getVisitorId');
      if (isString(fresh) && fresh.startsWith(PREFIX)) remember((memory) => (memory[1] = fresh));
    }
    const returns = hidesUnknown && !agentUser;
    note(who);
    if (!mayAppear(who)) return;
    const told = describe(who);
    const key = JSON.stringify(told);
    if (key === given) return;
    given = key;
    if (returns) tell(agent, 'startSendingEvents');
    // After clearSession the agent knows the anonymous visitor already.
    if (who.user || who.group || isFilled(who.traits) || told.visitor.id !== tell(agent, 'getVisitorId')) {
      tell(agent, 'identify', told);
    }
    if (who.user) held.splice(0).forEach(sendTrack);
  };

  /** The SDK's `reset()`, and a check for changes that no message tells: a logout, another tab. */
  const watch = (): void => {
    const present = presentPerson();
    if (present.user === person.user || waiting.length) return;
    person = present;
    if (status === 'ready') apply(present);
    else start();
  };

  // --- the agent ---------------------------------------------------------------------------------------------------------

  /** Loads the agent, or joins the one that the page runs already. */
  const start = (): void => {
    if (status !== 'idle' || !mayAppear(person)) return;
    status = 'loading';
    const hosts = pendoHosts(config);
    const told = describe(person);
    const chosen = analytics.loadOnlyIntegrations || {};
    const options = Object.assign(
      { dataHost: hosts.data },
      clone(config.agentOptions),
      clone((chosen.Pendo || chosen.PENDO || {}).agentOptions),
      told,
    );
    note(person);
    forgetStranger(told.visitor.id);
    const agent: Dict = (window.pendo = window.pendo || {});
    const isJoined = isFunction(agent.initialize) || document.querySelector('script[src*="/agent/static/"]');
    const queue: unknown[][] = (agent._q = agent._q || []);
    // A page that initialises its agent itself keeps its options; the agent is told who is there afterwards.
    if (!tell(agent, 'isReady') && ![].some.call(queue, (call) => call[0] === 'initialize')) {
      given = JSON.stringify(told);
      for (const name of ['initialize', 'identify', 'updateOptions', 'pageLoad', 'track', 'trackAgent']) {
        agent[name] =
          agent[name] || ((...call: unknown[]) => agent._q[name === 'initialize' ? 'unshift' : 'push']([name, ...call]));
      }
      tell(agent, 'initialize', options);
    }
    let hasArrived = !!isJoined;
    if (!isJoined) {
      const script = document.createElement('script');
      const nonced = document.querySelector<HTMLScriptElement>('script[nonce]');
      if (nonced) script.nonce = nonced.nonce;
      script.async = true;
      script.src = `${hosts.content}/agent/static/${config.apiKey}/pendo.js`;
      script.onload = () => (hasArrived = true);
      script.onerror = () => fail('blocked');
      document.head.appendChild(script);
    }
    awaitAgent(() => hasArrived, now(), 0);
  };

  const awaitAgent = (hasArrived: () => boolean, since: number, waited: number): void => {
    if (status !== 'loading') return;
    if (tell(window.pendo, 'isReady') === true) {
      status = 'ready';
      const ms = now() - since;
      report(ms > SLOW_MS ? 'slow' : 'loaded', ms);
      // Somebody unknown does not replace whom the page itself named.
      if (given || person.user) apply(person);
      waiting.splice(0).forEach(take);
    } else if (waited >= READY_MS) {
      fail(hasArrived() ? 'failed' : 'slow');
    } else {
      // The agent waits for the document to be complete; that time is not its fault.
      const counts = !hasArrived() || document.readyState === 'complete';
      setTimeout(awaitAgent, LOOK_MS, hasArrived, since, waited + (counts ? LOOK_MS : 0));
    }
  };

  const fail = (state: 'blocked' | 'failed' | 'slow'): void => {
    if (status !== 'loading') return;
    status = 'failed';
    waiting = [];
    alarm('the Pendo agent is not available: ' + state);
    report(state);
  };

  const report = (state: string, ms?: number): void => {
    const url = home.base + '/lib/health?writeKey=' + encodeURIComponent(home.writeKey);
    const body = JSON.stringify({ destination: info.destinationId, state, ms });
    if (home.base) attempt(() => fetch(url, { method: 'POST', body, keepalive: true }).catch(noop));
  };

  /**
   * The agent keeps its visitor in the page's storage. Where it kept another user, it would name both in one event, and keep the
   * account of the other.
   */
  const forgetStranger = (id: string): void => {
    attempt(() => {
      const key = '.' + config.apiKey;
      const kept = JSON.parse(localStorage.getItem('_pendo_visitorId' + key)!).value;
      if (kept === id || kept.startsWith(PREFIX)) return;
      for (const name of ['visitorId', 'accountId', 'oldVisitorId', 'meta']) localStorage.removeItem('_pendo_' + name + key);
    });
  };

  const flush = (): void => {
    clearTimeout(flushTimer);
    flushTimer = 0;
    if (status === 'ready') tell(window.pendo, 'flushNow');
  };

  // --- messages ----------------------------------------------------------------------------------------------------------

  const take = (parcel: Parcel): void => {
    if (status === 'ready') attempt(() => handle(parcel));
    else if (status === 'idle' || status === 'loading') {
      waiting.push(parcel);
      if (waiting.length > WAITING_MAX) {
        // Identify and group say who is there; only tracks and pages may be lost.
        const old = waiting.findIndex(({ message }) => /^(track|page)$/.test(message.type));
        waiting.splice(Math.max(old, 0), 1);
      }
      if (status === 'idle') {
        person = presentPerson();
        start();
      }
    }
  };

  const handle = ({ message, own }: Parcel): void => {
    const present = presentPerson();
    const user = idOf(message.userId);
    // Nobody known although the SDK knows somebody: from before the first identify, and therefore theirs.
    const isEarly = !user && !named && person.user && person.user === present.user;
    if (user !== person.user && !isEarly) {
      person = user === present.user ? present : { user, traits: {}, group: '', groupTraits: {} };
    }
    const isPresent = person.user === present.user;
    if (user) named = true;
    person.traits = isPresent ? present.traits : (message.context || {}).traits || {};
    if (message.type === 'track') {
      if (isHybrid || (!user && config.anonymousVisitors === 'skip')) return;
      if (!idOf(message.event)) return warn('Pendo takes no event without a name');
      if (mayAppear(person)) {
        apply(person);
        sendTrack(message);
        // A replayed event of somebody who has left: back to who is there now.
        if (!isPresent) apply(present);
      } else {
        held.push(message);
        if (held.length > WAITING_MAX) held.shift();
      }
    } else if (message.type === 'page') {
      if (config.pageLoad) tell(window.pendo, 'pageLoad');
    } else {
      if (message.type === 'group') {
        // group('') leaves the account.
        if (isPresent && !present.group) person.group = '';
        join(idOf(message.groupId), message.traits || {}, own);
      }
      if (isPresent) apply(person);
    }
  };

  /** Without an id there is no account; its traits wait for one. */
  const join = (id: string, merged: Dict, own: Dict | undefined): void => {
    const before = accounts[''] || {};
    const known = accounts[id] || (id && id === person.group && person.groupTraits) || before;
    // The SDK merges the traits of the former account into the message: what the call itself brought is the account's own.
    const traits = own ? merge(known, own) : sees && accounts[id] ? known : merge(known, merged);
    if (id) {
      person.group = id;
      person.groupTraits = traits;
    }
    accounts[id] = traits;
    if (id) accounts[''] = {};
  };

  const sendTrack = (message: Dict): void => {
    tell(window.pendo, 'track', idOf(message.event), message.properties || {});
    flushTimer = flushTimer || setTimeout(flush, FLUSH_MS);
  };

  /** Under RudderStack's SDKs: sees what each group call brings, which the message no longer tells. */
  const watchGroupCalls = (): boolean => {
    const sdk = (window as Dict).rudderanalytics;
    const original = sdk.group;
    const group = (...call: unknown[]): unknown => {
      attempt(() => {
        const isBare = isObject(call[0]) || call[0] == null;
        const id = isBare ? '' : idOf(call[0]);
        const traits = isBare ? call[0] : call[1];
        if (isObject(traits)) accounts[id] = merge(accounts[id] || {}, clone(traits));
      });
      return original.apply(sdk, call);
    };
    sdk.group = group;
    return sdk.group === group;
  };

  return {
    name: 'PENDO',

    init() {
      setLevel(analytics.logLevel);
      if (taken) {
        status = 'inert';
        return alarm('a page has one Pendo agent; a second destination is not used');
      }
      taken = true;
      const memory = recall();
      const id = idOf(analytics.getGroupId());
      if (id) accounts[id] = memory[2] === id ? memory[3] : clone(analytics.getGroupTraits() || {});
      person = presentPerson();
      sees = sees || attempt(watchGroupCalls);
      setInterval(() => attempt(watch), WATCH_MS);
      on(document, 'visibilitychange', flush);
      on(window, 'pagehide', flush);
      start();
    },

    /** For v3; throws when the agent failed, which ends v3's wait at once. */
    isReady() {
      if (status === 'failed' && !isPolled) throw Error('the Pendo agent is not available');
      return status !== 'loading';
    },

    /** For v2, which must not see an exception. */
    isLoaded() {
      isPolled = true;
      return status !== 'loading';
    },

    identify: take,
    track: take,
    page: take,
    group: take,
    alias: () => debug('Pendo has no alias'),

    /** Hybrid: under which id the agent knows somebody unknown, so that the server uses the same. */
    getDataForIntegrationsObject() {
      if (!isHybrid || idOf(analytics.getUserId())) return {};
      return { Pendo: { visitorId: anonymousVisitor(analytics.getAnonymousId()) } };
    },

    watch,

    /** Consent was withdrawn: nothing more is collected. */
    stop() {
      if (status === 'failed' || status === 'inert') return;
      status = 'stopped';
      waiting = [];
      tell(window.pendo, 'stopSendingEvents');
      tell(window.pendo, 'teardown');
    },

    /** Consent was given again. */
    resume() {
      if (status !== 'stopped') return;
      status = 'idle';
      given = '';
      person = presentPerson();
      tell(window.pendo, 'startSendingEvents');
      start();
    },
  };
};

declare global {
  interface Window {
    pendo?: any;
  }
}
