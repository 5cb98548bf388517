// D1–D14 of the contract (10.3), under our SDK and under the genuine v3; and each assertion once more against a stand-in that behaves as
// RudderStack's integration does, which must fail it, at the place that is named. The agent is a recorder with the calls' arguments.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OLD_INTEGRATION } from './support/old.mjs';
import { pendoDestination, sourceConfig, until } from './support/server.mjs';
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

/** `sdk`: ours, v3 with our integration, or `old`: v3 with the stand-in, whose only host, Pendo's own, is answered here unless `isBlocked`. */
const open = async (sdk, calls = '', { options = {}, head = '', isBlocked = false } = {}) => {
  const body = `var sdk = window.rudderanalytics; ${calls}; sdk.ready(function () { window.isReady = true; });`;
  const context = await world.browser.visitor();
  let html;
  if (sdk === 'ours') html = world.snippet(body, { options });
  else if (sdk === 'v3') html = world.genuine('v3', body, options);
  else {
    world.plane.files['/old/Pendo.min.js'] = () => OLD_INTEGRATION;
    if (!isBlocked) await context.route('https://cdn.pendo.io/**', (route) => route.fulfill({ contentType: 'text/javascript', body: RECORDER }));
    html = world.genuine('v3', body, { ...options, destSDKBaseURL: world.plane.url + '/old' });
  }
  const page = await world.show('/' + sdk, html.replace('<head>', '<head>' + head), context);
  await page.waitForFunction('window.isReady', null, { timeout: 15000 });
  return page;
};

/**
 * `check` holds for our integration under our SDK and under v3. With the stand-in it must fail, not anyhow but with an error that
 * `failure` knows: the condition that was waited for in vain, or what was seen instead.
 */
const defect = (title, failure, check) => {
  for (const sdk of ['ours', 'v3']) test(`${title}: ${sdk}`, () => check(sdk));
  test(`${title}: the old behaviour fails it`, async () => {
    await assert.rejects(check('old'), (error) => {
      assert.match(`${error.message} ${JSON.stringify(error.actual)}`, failure, error);
      return true;
    });
  });
};

const agentCalls = (page) => page.evaluate('(window.agentCalls || []).filter(function (c) { return c[0] !== "flushNow" && c[0] !== "startSendingEvents" })');
const named = async (page, name) => (await agentCalls(page)).filter((call) => call[0] === name).map((call) => call.slice(1));
const last = (list) => list[list.length - 1];
const IDENTITY = "sdk.identify('A', {name: 'Ann'}); sdk.group('acc', {plan: 'pro'});";
const run = (page, calls) => page.evaluate(`(function () { var sdk = window.rudderanalytics; ${calls} })()`);
const soon = (check, what) => until(check, 4000, what);
/** What the agent was initialised with. The stand-in is ready before its agent. */
const initialized = async (page) => (await soon(async () => (await named(page, 'initialize'))[0], 'initialize'))[0];

defect('D1: reset reaches the agent (RudderStack: later tracks go to the old visitor)', /^\[[^\]]*"track"\]/, async (sdk) => {
  prepare();
  const page = await open(sdk, IDENTITY);
  await run(page, "sdk.reset(); sdk.track('after');");
  await soon(async () => (await named(page, 'track')).length);
  const calls = await agentCalls(page);
  const names = calls.map((call) => call[0]);
  assert.ok(names.indexOf('clearSession') > 0 && names.indexOf('clearSession') < names.indexOf('track'), JSON.stringify(names));
});

defect('D1: a reset without another message is seen within a second or so', /timed out: clearSession/, async (sdk) => {
  prepare();
  const page = await open(sdk, IDENTITY);
  await run(page, 'sdk.reset();');
  await until(async () => (await named(page, 'clearSession')).length === 1, 2500, 'clearSession');
});

defect('D2: another user does not inherit the account, nor the anonymous history of the first', /\{"visitor":\{"id":"B","name":"Bob"\},"account":\{\}\}$/, async (sdk) => {
  prepare();
  const page = await open(sdk, IDENTITY);
  const anonymousId = await page.evaluate('rudderanalytics.getAnonymousId()');
  await run(page, "sdk.reset(); sdk.track('between'); sdk.identify('B', {name: 'Bob'});");
  await soon(async () => JSON.stringify(await agentCalls(page)).includes('Bob'));
  const told = last(await named(page, 'identify'))[0];
  assert.deepEqual(told, { visitor: { name: 'Bob', id: 'B' }, account: { id: null } });
  assert.ok(!JSON.stringify(await agentCalls(page)).includes('_PENDO_T_' + anonymousId));
});

defect('D2: straight from one user to another there is a clearSession between', /\["initialize","identify","identify","identify"\]$/, async (sdk) => {
  prepare();
  const page = await open(sdk, IDENTITY);
  await run(page, "sdk.identify('B', {name: 'Bob'});");
  await soon(async () => JSON.stringify(await agentCalls(page)).includes('Bob'));
  assert.deepEqual((await agentCalls(page)).map((call) => call[0]), ['initialize', 'clearSession', 'identify']);
});

defect('D3: the id wins over a trait named id', /"id":"evil".*"id":"evil"/, async (sdk) => {
  prepare();
  const page = await open(sdk, "sdk.identify('A', {id: 'evil', name: 'Ann'}); sdk.group('acc', {id: 'evil', plan: 'pro'});");
  const options = await initialized(page);
  assert.deepEqual([options.visitor, options.account], [{ name: 'Ann', id: 'A' }, { plan: 'pro', id: 'acc' }]);
});

defect('D4: a group without an id makes no account (RudderStack: the anonymousId becomes one)', /"[\da-f]{8}-[\da-f-]{27}"$/, async (sdk) => {
  prepare();
  const page = await open(sdk, "sdk.group({plan: 'pro'}); sdk.track('x');");
  await soon(async () => (await named(page, 'track')).length);
  for (const [name, options] of await agentCalls(page)) if (name !== 'track') assert.equal(options.account.id || null, null);
});

defect('D5: an identify leaves the account as it is', /"account":\{\}\}$/, async (sdk) => {
  prepare();
  const page = await open(sdk, IDENTITY);
  await run(page, "sdk.identify('A', {age: 3});");
  await soon(async () => JSON.stringify(await agentCalls(page)).includes('"age":3'));
  assert.deepEqual(last(await named(page, 'identify'))[0], { visitor: { name: 'Ann', age: 3, id: 'A' }, account: { plan: 'pro', id: 'acc' } });
});

defect('D7: the group of somebody unknown leaves the traits as they are', /"_PENDO_T_[^"]*"\}$/, async (sdk) => {
  prepare();
  const other = await open(sdk, "sdk.identify({colour: 'red'});");
  await run(other, "sdk.group('acc', {plan: 'pro'});");
  await soon(async () => JSON.stringify(await agentCalls(other)).includes('pro'));
  const { visitor } = last(await named(other, 'identify'))[0];
  assert.deepEqual(visitor, { colour: 'red', id: visitor.id });
});

defect('D6: a state that the agent has is not sent again', /\["initialize","identify","identify","track",/, async (sdk) => {
  prepare();
  const page = await open(sdk, IDENTITY + "sdk.track('t');");
  await soon(async () => (await named(page, 'track')).length);
  await run(page, IDENTITY + "sdk.track('marker');");
  await soon(async () => (await named(page, 'track')).length === 2);
  assert.deepEqual((await agentCalls(page)).map((call) => call[0]), ['initialize', 'track', 'track']);
});

// D14 is what the agent does by itself, and expected: ours is that it is written down (docs/reference/browser.md), and told once, as here.
defect('D8: a new account has only its own traits, and is told once', /\{"id":"two","plan":"free","seats":3\}/, async (sdk) => {
  prepare();
  const page = await open(sdk, "sdk.identify('A');");
  await run(page, "sdk.group('one', {plan: 'pro', seats: 3}); sdk.group('two', {plan: 'free'}); sdk.group('two', {plan: 'free'}); sdk.track('marker');");
  await soon(async () => (await named(page, 'track')).length);
  const two = (await named(page, 'identify')).filter(([told]) => told.account.id === 'two');
  assert.deepEqual(two.map(([told]) => told.account), [{ plan: 'free', id: 'two' }]);
});

defect('D9: a blocked agent is known, reported once, and costs no event (RudderStack: ready at once, calls pile up)', /timed out: the report/, async (sdk) => {
  prepare({ connectionMode: 'hybrid', hosts: { data: world.plane.url, content: 'http://127.0.0.1:9' } });
  const start = Date.now();
  const page = await open(sdk, IDENTITY + "sdk.track('t');", { isBlocked: true });
  assert.ok(Date.now() - start < 5000);
  await soon(() => world.plane.requests.some((one) => one.path === '/lib/health'), 'the report');
  await run(page, "sdk.track('marker');");
  await soon(() => world.plane.names().includes('t') && world.plane.names().includes('marker'));
  assert.deepEqual(world.plane.requests.filter((one) => one.path === '/lib/health').map((one) => one.json.state), ['blocked']);
  assert.deepEqual(page.problems, []);
});

defect('D10: traits are cleaned as by the server', /"firstName":"x","address":\{"city":"Rome"\},"created_at":1585072005,"note":null/, async (sdk) => {
  prepare();
  const page = await open(sdk, "sdk.identify('A', {firstName: 'x', address: {city: 'Rome'}, created_at: 1585072005, note: null, roles: ['a', null, {x: 1}]});");
  const options = await initialized(page);
  assert.deepEqual(options.visitor, { firstname: 'x', address_city: 'Rome', created_at: '2020-03-24T17:46:45.000Z', roles: ['a'], id: 'A' });
});

defect('D11: agent options, parent account, page load, data host, nonce', /\{"visitor":\{"id":"A"\},"account":\{"id":"acc","plan":"pro","parent":\{"id":"p","region":"EU"\}\}\}$/, async (sdk) => {
  prepare({ agentOptions: { cookieDomain: 'a', disableGuides: true }, parentAccountTrait: 'parent', pageLoad: true });
  const page = await open(sdk, "sdk.identify('A'); sdk.group('acc', {plan: 'pro', parent: {id: 'p', region: 'EU'}}); sdk.page();", {
    options: { integrations: { All: true, Pendo: { agentOptions: { cookieDomain: 'mine' } } } },
    head: '<script nonce="abc"></script>',
  });
  const options = await initialized(page);
  assert.deepEqual(options, {
    dataHost: world.plane.url, cookieDomain: 'mine', disableGuides: true, visitor: { id: 'A' },
    account: { plan: 'pro', id: 'acc' }, parentAccount: { region: 'EU', id: 'p' },
  });
  await soon(async () => (await named(page, 'pageLoad')).length === 1);
  assert.equal(await page.evaluate(`document.querySelector('script[src*="/agent/static/"]').nonce`), 'abc');
});

defect('D12: a page that runs Pendo is joined, a second destination acts once', /agent's script[^]*3 !== 1/, async (sdk) => {
  prepare();
  world.plane.config.source.destinations.push({ ...pendoDestination({ region: 'custom', hosts: { data: world.plane.url, content: world.plane.url } }), id: 'second' });
  const head = `<script>window.pendo = {_q: [['track', 'own']], initialize: function () { pendo._q.unshift(['initialize'].concat([].slice.call(arguments))); }};</script><script async src="${world.plane.url}/agent/static/${KEY}/pendo.js"></script>`;
  const page = await open(sdk, IDENTITY + "sdk.track('t');", { head });
  assert.equal(await page.evaluate(`document.querySelectorAll('script[src*="/agent/static/"]').length`), 1, "the agent's script");
  await until(async () => (await named(page, 'track')).length === 2, 4000, () => page.consoleLines.concat(page.problems).join());
  await run(page, "sdk.track('marker');");
  await soon(async () => JSON.stringify(await named(page, 'track')).includes('marker'));
  assert.equal(await page.evaluate(`document.querySelectorAll('script[src*="/agent/static/"]').length`), 1);
  const calls = await agentCalls(page);
  assert.deepEqual(calls.map((call) => call[0]).sort(), ['initialize', 'track', 'track', 'track']);
});

defect('D13: a track waits at most five seconds in the agent', /timed out: flushNow/, async (sdk) => {
  prepare();
  const page = await open(sdk, "sdk.identify('A'); sdk.track('t');");
  await until(() => page.evaluate("(window.agentCalls || []).some(function (c) { return c[0] === 'flushNow'; })"), 7000, 'flushNow');
});

for (const sdk of ['ours', 'v3']) {
  test(`somebody unknown leaves: the next unknown one has not their account: ${sdk}`, async () => {
    prepare();
    const page = await open(sdk, "sdk.group('acc', {plan: 'pro'});");
    await run(page, "sdk.reset(); sdk.track('after');");
    await soon(async () => (await named(page, 'track')).length);
    const told = (await agentCalls(page)).filter(([, what]) => what && what.account);
    assert.deepEqual(told.map(([, { account }]) => account.id), ['acc', null]);
  });

  test(`somebody unknown leaves, without another message: ${sdk}`, async () => {
    prepare();
    const page = await open(sdk, "sdk.group('acc', {plan: 'pro'});");
    await run(page, 'sdk.reset();');
    await until(async () => (await named(page, 'identify')).some(([{ account }]) => account.id === null), 2500, 'no account');
  });

  test(`somebody unknown leaves for good: their history does not become the next user's: ${sdk}`, async () => {
    prepare();
    const page = await open(sdk, "sdk.track('before');");
    await run(page, "sdk.reset(true); sdk.identify('B');");
    await soon(async () => (await named(page, 'identify')).length);
    assert.deepEqual((await agentCalls(page)).map(([name]) => name), ['initialize', 'track', 'clearSession', 'identify']);
  });

  test(`from unknown to known in one history: ${sdk}`, async () => {
    prepare();
    const page = await open(sdk, "sdk.track('before');");
    await run(page, "sdk.identify('B');");
    await soon(async () => (await named(page, 'identify')).length);
    assert.deepEqual((await agentCalls(page)).map(([name]) => name), ['initialize', 'track', 'identify']);
  });
}

for (const sdk of ['ours', 'v3']) {
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
