/**
 * Pendo in the page: loads or joins Pendo's agent, keeps it told who is there, and hands it the events (contract, 10.3).
 *
 * One integration for RudderStack's SDKs (through bundle.ts) and for ours. It follows the messages in their order and
 * keeps one state: the user, their traits, their account. Only when that differs from what the agent was given last, it makes one
 * `pendo.identify` with both parts in full; the agent forgets what is left out.
 */

import { log } from '../log';
import { addScript, assign, attempt, clone, idOf, isFunction, isObject, json, isFilled, merge, now, on, page, push, request, type Dict } from '../util';
import { tell as call } from './agent';
import { anonymousVisitor, PREFIX, recall, remember } from './anonymous';
import { cleanTraits } from './clean';
import { pendoHost } from './hosts';

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
export type Home = [base: string, writeKey: string];

export interface Parcel {
  /** The message's. */
  type: string;
  message: Dict;
  /** The traits that a group call itself brought, where the SDK knows them. */
  own?: Dict | undefined;
}

interface Person {
  /** '' = nobody known. */
  user: string;
  traits: Dict;
  /** The account's id, '' = none. */
  group: string;
  groupTraits: Dict;
}

/** Not needed yet: events and a person are waited for. */
const IDLE = 0;
const LOADING = 1;
const READY = 2;
/** Stopped, as the person withdrew consent. */
const OFF = 3;
/** For this page view; also where another destination has the agent. */
const FAILED = 4;

/** A page has one agent. */
let isTaken = false;

const agent = (method: string, ...given: unknown[]): any => call(page.pendo, method, ...given);

export const createPendo = (config: Dict, analytics: Analytics, id: string, [base, writeKey]: Home): Dict => {
  let status = IDLE;
  /** The person as of the messages handled so far. */
  let person: Person;
  /** Whether a message named a user yet. */
  let isNamed = false;
  /** What the agent was given last, as JSON, and the user of that. */
  let given = '';
  let agentUser = '';
  /** The anonymousId of that moment. */
  let agentAnonymous = '';
  /** Traits by account, as far as they are known to be its own; under '' those that wait for an id. */
  let accounts: Record<string, Dict> = {};
  let waiting: Parcel[] = [];
  /** With `hold`: events of somebody unknown, until they are known. */
  const held: Parcel[] = [];
  let flushTimer: any;

  const { anonymousVisitors } = config;
  /** Only with `prefix` somebody unknown reaches the agent. */
  const hidesUnknown = /skip|hold/.test(anonymousVisitors);

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
  const describe = ({ user, traits, group, groupTraits }: Person): Dict => {
    const part = (values: Dict, id: string, leftOut?: unknown): Dict => assign(cleanTraits(values, config, leftOut), { id });
    const trait = config.parentAccountTrait;
    const parent = groupTraits[trait];
    const parentId = group && idOf(isObject(parent) ? parent.id : parent);
    return {
      visitor: part(traits, user || anonymousVisitor(analytics.getAnonymousId())),
      account: group ? part(groupTraits, group, trait) : { id: null },
      parentAccount: parentId ? part(isObject(parent) ? parent : {}, parentId) : undefined,
    };
  };

  /** Notes whom the agent gets, so that an anonymousId that became a user is not used again. */
  const note = ({ user, group, groupTraits }: Person): void => {
    agentUser = user;
    agentAnonymous = analytics.getAnonymousId();
    remember(user ? [agentAnonymous, '', group, groupTraits] : [, , group, groupTraits]);
  };

  /** Tells the agent who is there, if it does not know. */
  const apply = (who: Person): void => {
    const { user } = who;
    const isHidden = !user && hidesUnknown;
    const isNew = !agentUser;
    if (isNew ? agentAnonymous !== analytics.getAnonymousId() : agentUser !== user) {
      // Never from one person straight to another, nor with the account of the one before.
      if (isHidden) agent('stopSendingEvents');
      agent('clearSession');
      given = '';
      accounts = {};
      const fresh = idOf(agent('getVisitorId'));
      if (fresh.startsWith(PREFIX)) remember([, fresh]);
    }
    note(who);
    if (isHidden) return;
    const told = describe(who);
    const key = json(told);
    if (key === given) return;
    if (isNew) agent('startSendingEvents');
    // After clearSession the agent knows the anonymous visitor already.
    if (given || user || who.group || isFilled(who.traits) || told.visitor.id !== agent('getVisitorId')) agent('identify', told);
    given = key;
    if (user) held.splice(0).forEach(sendTrack);
  };

  /** The SDK's `reset()`, and a check for changes that no message tells: a logout, another tab. */
  const watch = (): void => {
    const present = presentPerson();
    if (waiting[0] || (present.user === person.user && (present.group || !person.group))) return;
    person = present;
    if (status === READY) apply(present);
    else start();
  };

  // --- the agent ---------------------------------------------------------------------------------------------------------

  /** Loads the agent, or joins the one that the page runs already. */
  const start = (): void => {
    if (status !== IDLE || (!person.user && hidesUnknown)) return;
    status = LOADING;
    const told = describe(person);
    const wish = (analytics.loadOnlyIntegrations || {}).Pendo || {};
    const options = assign({ dataHost: pendoHost(config, 'data', 'data') }, clone(config.agentOptions), clone(wish.agentOptions), told);
    note(person);
    forgetStranger(told.visitor.id);
    const pendo: Dict = (page.pendo = page.pendo || {});
    const hasStub = isFunction(pendo.initialize);
    let hasArrived = hasStub || !!document.querySelector('script[src*="/agent/static/"]');
    const queue: any[][] = (pendo._q = pendo._q || []);
    if (!hasArrived) {
      const script = addScript(`${pendoHost(config, 'content', 'cdn')}/agent/static/${config.apiKey}/pendo.js`);
      script.onload = () => (hasArrived = true);
      script.onerror = () => fail('blocked');
    }
    // A page that initialises its agent itself keeps its options; the agent is told who is there afterwards.
    if (!agent('isReady') && ![].some.call(queue, (entry: any) => entry[0] === 'initialize')) {
      given = json(told);
      if (hasStub) agent('initialize', options);
      else {
        for (const name of ['identify', 'updateOptions', 'pageLoad', 'track']) pendo[name] = (...rest: unknown[]) => pendo._q.push([name, ...rest]);
        queue.unshift(['initialize', options]);
      }
    }
    const since = now();
    const look = (waitedMs: number): void => {
      if (status !== LOADING) return;
      const ms = now() - since;
      if (agent('isReady')) {
        status = READY;
        report(ms > SLOW_MS ? 'slow' : 'loaded', ms);
        // Somebody unknown does not replace whom the page itself named.
        if (given || person.user) apply(person);
        waiting.splice(0).forEach(take);
      } else if (waitedMs > READY_MS) fail(hasArrived ? 'failed' : 'slow');
      // The agent waits for the document to be complete; that time is not its fault.
      else setTimeout(look, LOOK_MS, hasArrived && document.readyState !== 'complete' ? waitedMs : waitedMs + LOOK_MS);
    };
    look(0);
  };

  const fail = (state: string): void => {
    if (status !== LOADING) return;
    status = FAILED;
    waiting = [];
    log('Pendo:', state);
    report(state);
  };

  const report = (state: string, ms?: number): void => {
    const body = json({ destination: id, state, ms });
    request(base + '/lib/health?writeKey=' + encodeURIComponent(writeKey), { method: 'POST', body, keepalive: true }).catch(() => {});
  };

  /**
   * The agent keeps its visitor in the page's storage. Where it kept another user, it would name both in one event, and keep the
   * account of the other.
   */
  const forgetStranger = (own: string): void => {
    attempt(() => {
      const key = (name: string): string => `_pendo_${name}.${config.apiKey}`;
      const kept = JSON.parse(localStorage.getItem(key('visitorId'))!).value;
      if (kept === own || kept.startsWith(PREFIX)) return;
      for (const name of ['visitorId', 'accountId', 'oldVisitorId', 'meta']) localStorage.removeItem(key(name));
    });
  };

  const flush = (): void => {
    clearTimeout(flushTimer);
    flushTimer = 0;
    if (status === READY) agent('flushNow');
  };

  // --- messages ----------------------------------------------------------------------------------------------------------

  const take = (parcel: Parcel): void => {
    if (status === READY) attempt(() => handle(parcel));
    else if (status < READY) {
      push(waiting, parcel, WAITING_MAX);
      if (status === IDLE) {
        person = presentPerson();
        start();
      }
    }
  };

  const handle = (parcel: Parcel): unknown => {
    const { type, message, own } = parcel;
    if (type === 'alias') return;
    const present = presentPerson();
    const user = idOf(message.userId);
    // Nobody known although the SDK knows somebody: from before the first identify, and therefore theirs.
    const isEarly = !user && !isNamed && person.user && person.user === present.user;
    if (user !== person.user && !isEarly) {
      person = user === present.user ? present : { user, traits: {}, group: '', groupTraits: {} };
    }
    const isPresent = person.user === present.user;
    if (user) isNamed = true;
    person.traits = isPresent ? present.traits : (message.context || {}).traits || {};
    // Left by group(''), or by a reset of somebody unknown.
    if (isPresent && !present.group) person.group = '';
    if (type === 'page') return config.pageLoad && agent('pageLoad');
    if (type === 'track') {
      if (config.connectionMode === 'hybrid' || (!user && anonymousVisitors === 'skip') || !idOf(message.event)) return;
      if (!person.user && hidesUnknown) return push(held, parcel, WAITING_MAX);
      apply(person);
      sendTrack(parcel);
      // A replayed event of somebody who has left: back to who is there now.
      return isPresent || apply(present);
    }
    if (type === 'group') join(idOf(message.groupId), message.traits || {}, own);
    if (isPresent) apply(person);
  };

  /** Without an id there is no account; its traits wait for one. */
  const join = (group: string, merged: Dict, own: Dict | undefined): void => {
    const known = accounts[group] || (group && group === person.group && person.groupTraits) || accounts[''] || {};
    // The SDK merges the traits of the former account into the message: what the call itself brought is the account's own.
    const groupTraits = (accounts[group] = merge(known, own || merged));
    if (!group) return;
    assign(person, { group, groupTraits });
    delete accounts[''];
  };

  const sendTrack = ({ message }: Parcel): void => {
    agent('track', idOf(message.event), message.properties || {});
    flushTimer = flushTimer || setTimeout(flush, FLUSH_MS);
  };

  return {
    init() {
      if (isTaken) {
        status = FAILED;
        return log('Pendo: one a page');
      }
      isTaken = true;
      const [, , group, traits] = recall();
      const present = idOf(analytics.getGroupId());
      if (present) accounts[present] = group === present ? traits : clone(analytics.getGroupTraits() || {});
      person = presentPerson();
      setInterval(() => attempt(watch), WATCH_MS);
      on(document, 'visibilitychange', flush);
      on(window, 'pagehide', flush);
      start();
    },

    /** Throws when the agent failed. */
    isReady() {
      if (status === FAILED) throw Error('Pendo');
      return status !== LOADING;
    },

    take,
    watch,

    /** Consent was withdrawn: nothing more is collected. */
    stop() {
      status = OFF;
      waiting = [];
      agent('stopSendingEvents');
      agent('teardown');
    },

    /** Consent was given again. */
    resume() {
      status = IDLE;
      given = '';
      person = presentPerson();
      agent('startSendingEvents');
      start();
    },
  };
};
