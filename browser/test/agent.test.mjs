// The sandbox's stub agent beside the genuine one: P1 to P12 of the contract (10.2). The same calls must give the same answers of the
// getters, the same events and the same questions for guides.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { APP_KEY, genuineAgent, startSandbox } from './support/sandbox.mjs';
import { until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

let sandbox;
let genuine;
const world = useWorld({
  once: async () => {
    sandbox = await startSandbox();
    genuine = await genuineAgent(sandbox.url);
  },
});
after(() => sandbox.close());

const A = "{ visitor: { id: 'a', name: 'Ann', Deep: { x: [1] } }, account: { id: 'acc', plan: 'pro', tags: ['a', 'b'] } }";
const STEPS = {
  'P1: identify replaces the data of both': [`identify(${A})`, "identify({ visitor: { id: 'a', age: 3 }, account: { id: 'acc', seats: 2 } })"],
  'P1: the account left out': [`identify(${A})`, "identify({ visitor: { id: 'a', age: 3 } })"],
  'P1: the visitor left out': [`identify(${A})`, "identify({ account: { id: 'acc', seats: 2 } })"],
  'P1: the text form': [`identify(${A})`, "identify('b')", "identify('c', 'acc2')"],
  'P2: an account without id keeps the present one': [`identify(${A})`, "identify({ visitor: { id: 'a' }, account: {} })", "identify({ visitor: { id: 'a' }, account: { plan: 'x' } })"],
  'P2: an account whose id is null clears it': [`identify(${A})`, "identify({ visitor: { id: 'a' }, account: { id: null } })", "identify({ visitor: { id: 'b' }, account: { id: null, plan: 'x' } })"],
  'P3: from anonymous to known, from one known user to another': [
    "identify({ visitor: { id: '_PENDO_T_mine' }, account: { id: null } })", "identify({ visitor: { id: 'a' }, account: { id: null } })",
    "identify({ visitor: { id: 'b' }, account: { id: null } })", "identify({ visitor: { id: 'c' }, account: { id: 'acc' } })", "identify({ visitor: { id: 'c' }, account: { id: 'acc2' } })",
  ],
  'P4: the same again sends nothing': [`identify(${A})`, `identify(${A})`, "identify({ visitor: { id: 'a', name: 'Anna' }, account: { id: 'acc' } })"],
  'P5: clearSession': [`identify(${A})`, "track('as a')", 'clearSession()', "track('as nobody')", "identify({ visitor: { id: 'b' }, account: { id: null } })"],
  'P6: a track is attributed at the time of the call': ["track('anonymous')", `identify(${A})`, "track('as a')", "identify({ visitor: { id: 'b' }, account: { id: 'acc2' } })", "track('as b', {n: 1})"],
  'P6: properties': [
    "track('d', { at: new Date(0), deep: { a: [1, null] }, none: null, missing: undefined })", "track('text', 'str')", "track('null', null)", "track('number', 5)",
    "track('list', [1])", "track('none')", "track('')", "track('  ')", 'track(5)', 'track(null)',
  ],
  'P7: ids': [
    'identify({ visitor: { id: 7 }, account: { id: 8 } })', "identify({ visitor: { id: '  ' }, account: { id: '' } })", "identify({ visitor: { id: '::' }, account: { id: '::' } })",
    'identify({ visitor: { id: true }, account: { id: {} } })', "identify({ visitor: { id: 'VISITOR-UNIQUE-ID' }, account: { id: 'ACCOUNT-UNIQUE-ID' } })", "identify({ visitor: { id: 'a::b' }, account: { id: 'c::d' } })",
    "identify({ visitor: { id: ' padded ' }, account: { id: 'acc' } })", 'identify({})',
  ],
  'P8: a second initialize': ["initialize({ visitor: { id: 'z' }, account: { id: 'y' } })"],
  'P9: updateOptions': [`identify(${A})`, "updateOptions({ visitor: { colour: 'red' } })", "updateOptions({ account: { size: 2 } })", "updateOptions({ visitor: { id: 'a', colour: 'blue' }, account: { id: 'acc' } })"],
  'P11: what is sent as it is': ["identify({ visitor: { id: 'a', 'first name': 'x', 'a.b': 1, Upper: true, none: null, deep: { a: { b: 1 } }, list: [{ x: 1 }, null] }, account: { id: 'acc', none: null } })"],
  'P12: parent account': ["identify({ visitor: { id: 'a' }, account: { id: 'acc', plan: 'pro' }, parentAccount: { id: 'p', region: 'EU' } })", "identify({ visitor: { id: 'a' }, account: { id: 'acc', plan: 'x' } })", "identify({ visitor: { id: 'a' }, account: { id: 'other' }, parentAccount: { id: 'p' } })"],
  'stopSendingEvents and back': [`identify(${A})`, 'stopSendingEvents()', "track('unsent')", "identify({ visitor: { id: 'b' }, account: { id: null } })", 'startSendingEvents()', "track('sent')"],
};

const page = (agent, initial) => `<!doctype html><title>t</title><script>
  window.pendo = { _q: [] };
  ['identify', 'updateOptions', 'pageLoad', 'track'].forEach(function (name) { pendo[name] = function () { pendo._q.push([name].concat([].slice.call(arguments))); }; });
  window.isReadyBefore = typeof pendo.isReady;
  pendo._q.unshift(['initialize', Object.assign({ dataHost: '${sandbox.url}' }, ${initial})]);
  </script><script src="${agent === 'genuine' ? world.plane.url : sandbox.url}/agent/static/${APP_KEY}/pendo.js"></script>`;

const sortKeys = (key, value) =>
  value && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;

/** A line for each thing; ids that the agent makes itself are numbered. */
const lines = (things) => {
  const names = {};
  const text = things.map((one) => JSON.stringify(one, sortKeys)).join('\n');
  return text.replace(/_PENDO_T_(?!mine)[\w-]+/g, (id) => (names[id] = names[id] || `_PENDO_T_${Object.keys(names).length}`)).split('\n');
};

/** `context`: a browser that was there before; without, a new one. */
const run = async (agent, steps, initial, context) => {
  await sandbox.reset();
  world.plane.files[`/agent/static/${APP_KEY}/pendo.js`] = () => genuine;
  const shown = await world.show(`/${agent}`, page(agent, initial), context);
  // What has no answer when a page is left, its agent keeps and the next page's sends again.
  const open = new Set();
  shown.on('request', (one) => one.url().includes('/ptm.gif/') && open.add(one));
  for (const end of ['requestfinished', 'requestfailed']) shown.on(end, (one) => open.delete(one));
  await shown.waitForFunction('pendo.isReady && pendo.isReady()', null, { timeout: 15000 });
  const said = [await shown.evaluate('isReadyBefore')];
  const look = '[pendo.getVisitorId(), pendo.getAccountId(), pendo.isAnonymousVisitor && pendo.isAnonymousVisitor()]';
  said.push(await shown.evaluate(look));
  for (const step of steps) said.push(await shown.evaluate(`(pendo.${step}, ${look})`));
  await shown.evaluate("pendo.pageLoad('http://127.0.0.1/last'); pendo.track('the last');");
  let events;
  await until(async () => {
    await shown.evaluate('pendo.flushNow()');
    const requests = (await sandbox.requests()).filter((one) => one.path.includes('/ptm.gif/'));
    events = requests.flatMap((one) => one.decoded || []);
    // The last event of each queue: what came before it is there.
    return events.some((one) => one.track_event_name === 'the last') && events.filter((one) => one.type === 'load').length > 1;
  }, 8000, () => JSON.stringify([agent, events, shown.consoleLines]).slice(0, 3000));
  await until(() => !open.size, 8000, () => 'without an answer: ' + [...open].map((one) => one.url()));
  assert.deepEqual(shown.problems, []);
  world.browser.assertLocal();
  await (context ? shown : shown.context()).close();
  const told = (one) => {
    const props = structuredClone(one.props);
    for (const key of ['version', 'date', 'selfHosted', 'load_time']) delete props[key];
    return [one.track_event_name || one.type, one.visitor_id, one.account_id, props];
  };
  const isTrack = (one) => one.type === 'track';
  const sorted = events.toSorted((left, right) => left.sequence - right.sequence);
  return lines([...said, ...sorted.filter((one) => !isTrack(one)).map(told), ...sorted.filter(isTrack).map(told)]);
};

for (const [name, steps] of Object.entries(STEPS)) {
  test(name, async () => {
    const stub = await run('stub', steps, '{}');
    assert.deepEqual(stub, await run('genuine', steps, '{}'));
  });
}

const INITIAL = [`Object.assign({ disableGuides: true }, ${A})`, "{ visitor: { id: 'a', n: 1 } }", "{ account: { id: 'acc', n: 1 } }", "{ visitor: { id: '_PENDO_T_mine' }, account: { id: null } }"];
for (const initial of INITIAL) {
  test('P10: ready only after initialize, with whom the page named: ' + initial, async () => {
    assert.deepEqual(await run('stub', [], initial), await run('genuine', [], initial));
  });
}

// What the agent keeps in the page's storage.
const LATER = { 'nobody named': '{}', 'the same': A, 'another, without account': "{ visitor: { id: 'b' }, account: { id: null } }", 'another, of another account': "{ visitor: { id: 'b' }, account: { id: 'acc2' } }" };
for (const [who, later] of Object.entries(LATER)) {
  for (const [first, steps] of [['a user', [`identify(${A})`]], ['nobody known', []]]) {
    test(`a later page: ${first}, then ${who}`, async () => {
      const both = async (agent) => {
        const context = await world.browser.visitor();
        const pages = [await run(agent, steps, '{}', context), await run(agent, [], later, context)];
        await context.close();
        return pages;
      };
      assert.deepEqual(await both('stub'), await both('genuine'));
    });
  }
}
