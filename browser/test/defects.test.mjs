// D1–D14 of the contract (10.3), under our SDK and under the genuine v3. The agent is a recorder with the calls' arguments; each test
// names what RudderStack's own integration does instead, and fails on that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pendoDestination, sleep, sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const KEY = '11111111-1111-4111-8111-111111111111';

/** An agent that notes its calls and knows its visitor, by the rules P1 to P8. */
const RECORDER = `(function () {
  var pendo = window.pendo = window.pendo || {}, calls = window.agentCalls = [], visitor = '', n = 0, ready = false;
  var who = function (o) { if (o && o.visitor && o.visitor.id) visitor = o.visitor.id; };
  ['initialize', 'identify', 'track', 'pageLoad', 'clearSession', 'flushNow', 'stopSendingEvents', 'startSendingEvents', 'teardown'].forEach(function (name) {
    pendo[name] = function () {
      calls.push([name].concat(JSON.parse(JSON.stringify(Array.prototype.slice.call(arguments)))));
      if (name === 'initialize' || name === 'identify') who(arguments[0]);
      if (name === 'initialize') ready = !window.neverReady;
      if (name === 'clearSession') visitor = '_PENDO_T_fresh' + n++;
    };
  });
  pendo.isReady = function () { return ready; };
  pendo.getVisitorId = function () { return visitor; };
  var waiting = pendo._q || []; pendo._q = { push: function () {}, unshift: function () {} };
  waiting.forEach(function (c) { pendo[c[0]].apply(pendo, c.slice(1)); });
})();`;

const prepare = (config = {}) => {
  world.plane.files[`/agent/static/${KEY}/pendo.js`] = () => RECORDER;
  world.plane.config = sourceConfig([
    pendoDestination({ region: 'custom', hosts: { data: world.plane.url, content: world.plane.url }, ...config }),
  ]);
};

const open = async (sdk, calls = '', { context, options = {}, head = '', ready = true } = {}) => {
  const body = `var sdk = window.rudderanalytics; ${calls}; sdk.ready(function () { window.isReady = true; });`;
  const html = (sdk === 'ours' ? world.snippet(body, { options }) : world.genuine(sdk, body, options)).replace('<head>', '<head>' + head);
  const page = await world.show('/' + sdk, html, context);
  if (ready) await page.waitForFunction('window.isReady', null, { timeout: 15000 });
  return page;
};

const agentCalls = (page) => page.evaluate('(window.agentCalls || []).filter(function (c) { return c[0] !== "flushNow" && c[0] !== "startSendingEvents" })');
const named = async (page, name) => (await agentCalls(page)).filter((call) => call[0] === name).map((call) => call.slice(1));
const last = (list) => list[list.length - 1];
const IDENTITY = "sdk.identify('A', {name: 'Ann'}); sdk.group('acc', {plan: 'pro'});";
const run = (page, calls) => page.evaluate(`(function () { var sdk = window.rudderanalytics; ${calls} })()`);
const soon = (check) => until(check, 4000);

for (const sdk of ['ours', 'v3']) {
  test(`D1 ${sdk}: reset reaches the agent (RudderStack: later tracks go to the old visitor)`, async () => {
    prepare();
    const page = await open(sdk, IDENTITY);
    await run(page, "sdk.reset(); sdk.track('after');");
    await soon(async () => (await named(page, 'track')).length);
    const calls = await agentCalls(page);
    const names = calls.map((call) => call[0]);
    assert.ok(names.indexOf('clearSession') > 0 && names.indexOf('clearSession') < names.indexOf('track'), JSON.stringify(names));
  });

  test(`D1 ${sdk}: a reset without another message is seen within a second or so`, async () => {
    prepare();
    const page = await open(sdk, IDENTITY);
    await run(page, 'sdk.reset();');
    await until(async () => (await named(page, 'clearSession')).length === 1, 2500);
  });

  test(`D2 ${sdk}: another user does not inherit the account, nor the anonymous history of the first`, async () => {
    prepare();
    const page = await open(sdk, IDENTITY);
    const anonymousId = await page.evaluate('rudderanalytics.getAnonymousId()');
    await run(page, "sdk.reset(); sdk.track('between'); sdk.identify('B', {name: 'Bob'});");
    await soon(async () => JSON.stringify(await agentCalls(page)).includes('Bob'));
    const told = last(await named(page, 'identify'))[0];
    assert.deepEqual(told, { visitor: { name: 'Bob', id: 'B' }, account: { id: null } });
    assert.ok(!JSON.stringify(await agentCalls(page)).includes('_PENDO_T_' + anonymousId));
  });

  test(`D2 ${sdk}: straight from one user to another there is a clearSession between`, async () => {
    prepare();
    const page = await open(sdk, IDENTITY);
    await run(page, "sdk.identify('B', {name: 'Bob'});");
    await soon(async () => JSON.stringify(await agentCalls(page)).includes('Bob'));
    assert.deepEqual((await agentCalls(page)).map((call) => call[0]), ['initialize', 'clearSession', 'identify']);
  });

  test(`D3 ${sdk}: the id wins over a trait named id`, async () => {
    prepare();
    const page = await open(sdk, "sdk.identify('A', {id: 'evil', name: 'Ann'}); sdk.group('acc', {id: 'evil', plan: 'pro'});");
    const [options] = (await named(page, 'initialize'))[0];
    assert.deepEqual([options.visitor, options.account], [{ name: 'Ann', id: 'A' }, { plan: 'pro', id: 'acc' }]);
  });

  test(`D4 ${sdk}: a group without an id makes no account (RudderStack: the anonymousId becomes one)`, async () => {
    prepare();
    const page = await open(sdk, "sdk.group({plan: 'pro'}); sdk.track('x');");
    await soon(async () => (await named(page, 'track')).length);
    for (const [name, options] of await agentCalls(page)) if (name !== 'track') assert.equal(options.account.id, null);
  });

  test(`D5, D7 ${sdk}: both parts go in full with every change`, async () => {
    prepare();
    const page = await open(sdk, IDENTITY);
    await run(page, "sdk.identify('A', {age: 3});");
    await soon(async () => (await named(page, 'identify')).length);
    assert.deepEqual(last(await named(page, 'identify'))[0], { visitor: { name: 'Ann', age: 3, id: 'A' }, account: { plan: 'pro', id: 'acc' } });
    const other = await open(sdk, "sdk.identify({colour: 'red'});");
    await run(other, "sdk.group('acc', {plan: 'pro'});");
    await soon(async () => JSON.stringify(await agentCalls(other)).includes('pro'));
    assert.equal(last(await named(other, 'identify'))[0].visitor.colour, 'red');
  });

  test(`D6 ${sdk}: a state that the agent has is not sent again`, async () => {
    prepare();
    const page = await open(sdk, IDENTITY + "sdk.track('t');");
    await soon(async () => (await named(page, 'track')).length);
    await run(page, IDENTITY);
    await sleep(300);
    assert.deepEqual((await agentCalls(page)).map((call) => call[0]), ['initialize', 'track']);
  });

  test(`D8, D14 ${sdk}: a new account has only its own traits, and is told once`, async () => {
    prepare();
    const page = await open(sdk, "sdk.identify('A');");
    await run(page, "sdk.group('one', {plan: 'pro', seats: 3}); sdk.group('two', {plan: 'free'}); sdk.group('two', {plan: 'free'});");
    await soon(async () => JSON.stringify(await agentCalls(page)).includes('two'));
    await sleep(200);
    const two = (await named(page, 'identify')).filter(([told]) => told.account.id === 'two');
    assert.deepEqual(two.map(([told]) => told.account), [{ plan: 'free', id: 'two' }]);
  });

  test(`D9 ${sdk}: a blocked agent is known, reported once, and costs no event (RudderStack: ready at once, calls pile up)`, async () => {
    prepare({ connectionMode: 'hybrid', hosts: { data: world.plane.url, content: 'http://127.0.0.1:9' } });
    const start = Date.now();
    const page = await open(sdk, IDENTITY + "sdk.track('t');");
    assert.ok(Date.now() - start < 5000);
    await soon(() => world.plane.requests.some((one) => one.path === '/lib/health'));
    await soon(() => world.plane.names().includes('t'));
    await sleep(300);
    assert.deepEqual(world.plane.requests.filter((one) => one.path === '/lib/health').map((one) => one.json.state), ['blocked']);
    assert.deepEqual(page.problems, []);
  });

  test(`D10 ${sdk}: traits are cleaned as by the server`, async () => {
    prepare();
    const page = await open(sdk, "sdk.identify('A', {firstName: 'x', address: {city: 'Rome'}, created_at: 1585072005, note: null, roles: ['a', null, {x: 1}]});");
    const [options] = (await named(page, 'initialize'))[0];
    assert.deepEqual(options.visitor, { firstname: 'x', address_city: 'Rome', created_at: '2020-03-24T17:46:45.000Z', roles: ['a'], id: 'A' });
  });

  test(`D11 ${sdk}: agent options, parent account, page load, data host, nonce`, async () => {
    prepare({ agentOptions: { cookieDomain: 'a', disableGuides: true }, parentAccountTrait: 'parent', pageLoad: true });
    const page = await open(sdk, "sdk.identify('A'); sdk.group('acc', {plan: 'pro', parent: {id: 'p', region: 'EU'}}); sdk.page();", {
      options: { integrations: { All: true, Pendo: { agentOptions: { cookieDomain: 'mine' } } } },
      head: '<script nonce="abc"></script>',
    });
    const [options] = (await named(page, 'initialize'))[0];
    assert.deepEqual(options, {
      dataHost: world.plane.url, cookieDomain: 'mine', disableGuides: true, visitor: { id: 'A' },
      account: { plan: 'pro', id: 'acc' }, parentAccount: { region: 'EU', id: 'p' },
    });
    await soon(async () => (await named(page, 'pageLoad')).length === 1);
    assert.equal(await page.evaluate(`document.querySelector('script[src*="/agent/static/"]').nonce`), 'abc');
  });

  test(`D12 ${sdk}: a page that runs Pendo is joined, a second destination acts once`, async () => {
    prepare();
    world.plane.config.source.destinations.push({ ...pendoDestination({ region: 'custom', hosts: { data: world.plane.url, content: world.plane.url } }), id: 'second' });
    const head = `<script>window.pendo = {_q: [['track', 'own']], initialize: function () { pendo._q.unshift(['initialize'].concat([].slice.call(arguments))); }};</script><script async src="${world.plane.url}/agent/static/${KEY}/pendo.js"></script>`;
    const page = await open(sdk, IDENTITY + "sdk.track('t');", { head });
    await until(async () => (await named(page, 'track')).length === 2, 4000, () => page.consoleLines.concat(page.problems).join());
    await sleep(200);
    assert.equal(await page.evaluate(`document.querySelectorAll('script[src*="/agent/static/"]').length`), 1);
    const calls = await agentCalls(page);
    assert.deepEqual(calls.map((call) => call[0]).sort(), ['initialize', 'track', 'track']);
  });

  test(`D13 ${sdk}: a track waits at most five seconds in the agent`, async () => {
    prepare();
    const page = await open(sdk, "sdk.identify('A'); sdk.track('t');");
    await until(() => page.evaluate("(window.agentCalls || []).some(function (c) { return c[0] === 'flushNow'; })"), 7000);
  });

  for (const wish of ['skip', 'hold']) {
    test(`${wish} ${sdk}: nobody unknown reaches the agent`, async () => {
      prepare({ anonymousVisitors: wish });
      const page = await open(sdk, "sdk.track('early');");
      assert.equal(await page.evaluate('typeof window.agentCalls'), 'undefined');
      await run(page, "sdk.identify('A'); sdk.track('known');");
      await soon(async () => JSON.stringify(await agentCalls(page)).includes('known'));
      const tracks = (await named(page, 'track')).map(([name]) => name);
      assert.deepEqual(tracks, wish === 'skip' ? ['known'] : ['early', 'known']);
      assert.ok(!JSON.stringify(await agentCalls(page)).includes('_PENDO_T_'));
    });
  }
}
