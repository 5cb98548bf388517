// The recorded pages of the genuine SDKs (tests/data/captures), played again with ours: each file's configuration, `load` and calls.
// What arrives must be what the genuine SDK sent, event by event; where the contract says BETTER, what ours does instead is asserted.
// The agent's own traffic in them is replayed into the sandbox by tests/sandbox/test_captures.py.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { loadCleanTraits } from './support/clean.mjs';
import { APP_KEY, genuineAgent, startSandbox } from './support/sandbox.mjs';
import { STUBS, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const FOLDER = new URL('../../tests/data/captures/', import.meta.url);
const FILES = readdirSync(FOLDER).map((name) => name.replace('.json', ''));
const AGENT = `/agent/static/${APP_KEY}/pendo.js`;

const world = useWorld();
let sandbox;
let genuine;
let cleanTraits;
before(async () => {
  sandbox = await startSandbox();
  genuine = await genuineAgent(sandbox.url);
  cleanTraits = await loadCleanTraits();
});
after(() => sandbox.close());

/** The page of a capture with our SDK. `more`: options of `load` besides the recorded ones; `agent`: what the agent's address answers. */
const play = async (capture, { calls = capture.calls, more = {}, script = '', context, agent = genuine } = {}) => {
  const config = capture.sourceConfig && structuredClone(capture.sourceConfig);
  for (const { config: own } of config ? config.source.destinations : []) {
    for (const key of ['agentUrl', 'dataHost']) delete own[key];
    Object.assign(own, { apiKey: APP_KEY, anonymousVisitors: 'prefix', metadataGroup: 'agent', nestedTraits: 'flatten', region: 'custom', hosts: { data: sandbox.url, content: world.plane.url } });
  }
  if (config) world.plane.config = config;
  if (agent) world.plane.files[AGENT] = () => agent;
  const [key, , recorded] = capture.load;
  const options = { ...recorded, ...more };
  for (const name of ['configUrl', 'destSDKBaseURL', 'pluginsSDKBaseURL']) if (options[name]) options[name] = options[name].replace('http://127.0.0.1:8792', world.plane.url);
  const html = `<!doctype html><html><head><title>v3</title><script>${STUBS}
    rudderanalytics.load('${key}', '${world.plane.url}', ${JSON.stringify(options)});
    ${script};
    ${JSON.stringify(calls)}.forEach(function (call) { rudderanalytics[call[0]].apply(rudderanalytics, call.slice(1)); });
    rudderanalytics.ready(function () { window.isReady = true; });</script>
    <script async data-loader="RS_JS_SDK" data-rsa-write-key="${key}" src="${world.plane.url}/lib/sp.min.js"></script></head><body></body></html>`;
  return world.show('/v3.html', html, context);
};

const ready = (page) => page.waitForFunction('window.isReady', null, { timeout: 15000 });

/** Each once: what leaves with the page may be sent twice, the server knows it by its messageId. */
const kept = () => [...new Map(world.plane.events().map((event) => [event.messageId, event])).values()];

/** The events of a capture as its server kept them, each once; a 3xx counts as delivered. */
const recorded = ({ posts }) => {
  const kept = new Map();
  for (const { answered, body } of posts) if (answered < 400) for (const event of body.batch || [body]) kept.set(event.messageId, event);
  return [...kept.values()];
};

/** Without what cannot be equal (captures' README, 2); its shape stays. */
const comparable = (event) => {
  const { messageId, anonymousId, originalTimestamp, sentAt, ...copy } = structuredClone(event);
  for (const value of [messageId, anonymousId, originalTimestamp, sentAt]) assert.equal(typeof value, 'string');
  const { context } = copy;
  for (const name of ['app', 'library']) copy.context[name] = { name: context[name].name };
  for (const name of ['sessionId', 'userAgent', 'locale', 'timezone']) context[name] = typeof context[name];
  for (const name of ['page', 'screen', 'os', 'campaign']) context[name] = Object.keys(context[name]).sort();
  // v2 names more of a page, and nothing of time.
  delete context.network;
  return copy;
};

const byType = (a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0);

/** What ours sent is what the genuine SDK sent; ours in order and each once, the genuine one's single posts in any order. */
const assertSame = async (capture) => {
  await until(() => world.plane.events().length >= capture.calls.length, 8000, () => JSON.stringify(world.plane.names()));
  const mine = world.plane.events();
  assert.deepEqual(mine.map((event) => event.type), capture.calls.map(([method]) => method));
  assert.deepEqual(mine.map(comparable).sort(byType), recorded(capture).map(comparable).sort(byType));
  assert.equal(new Set(mine.map((event) => event.anonymousId)).size, 1);
  const [post] = world.plane.posts();
  assert.equal(Buffer.from(post.headers.anonymousid, 'base64').toString(), mine[0].anonymousId);
};

/** What Pendo has in the end: the recorded state with metadata as the server would clean it, one `meta` instead of three (D6). */
const assertPendo = async (capture, page, { tracks = capture.calls.filter(([method]) => method === 'track') } = {}) => {
  const [, user, userTraits] = capture.calls.find(([method]) => method === 'identify');
  const [, group = null, groupTraits] = capture.calls.find(([method]) => method === 'group') || [];
  await page.waitForFunction('window.pendo && pendo.isReady && pendo.isReady()');
  let state;
  await until(async () => {
    await page.evaluate('pendo.flushNow()');
    state = await sandbox.state();
    return state.visitors[user] && state.events.filter((one) => one.type === 'track').length === tracks.length;
  }, 8000, () => JSON.stringify(state));
  const clean = (traits) => cleanTraits(traits, { metadataGroup: 'agent', nestedTraits: 'flatten' });
  assert.deepEqual([Object.keys(state.visitors), Object.keys(state.accounts)], [[user], group ? [group] : []]);
  assert.deepEqual(state.visitors[user].metadata.agent, clean(userTraits));
  assert.deepEqual(state.visitors[user].accounts, group ? [group] : []);
  if (group) assert.deepEqual(state.accounts[group].metadata.agent, clean(groupTraits));
  assert.deepEqual([await page.evaluate('pendo.getVisitorId()'), (await page.evaluate('pendo.getAccountId()')) || null], [user, group]);
  const sent = state.events.filter((one) => one.type === 'track');
  assert.deepEqual(sent.map((one) => [one.event, one.visitorId, one.accountId, one.properties]), tracks.map(([, event, properties = {}]) => [event, user, group, properties]));
  assert.equal(state.events.filter((one) => one.type === 'meta').length, 1);
};

const withPendo = (options) => async (capture) => {
  const page = await play(capture, options);
  await ready(page);
  await assertSame(capture);
  await assertPendo(capture, page, options);
  assert.deepEqual(world.plane.requests.filter((one) => /transform|rsaMetrics|js-integrations|plugins/.test(one.path)), []);
  assert.deepEqual(page.problems, []);
};

/** No agent's script is asked for, the SDK is ready, every event arrives. */
const withoutPendo = async (capture) => {
  const page = await play(capture, { agent: 'window.wasAsked = true;' });
  await ready(page);
  await assertSame(capture);
  assert.equal(await page.evaluate('[window.wasAsked, typeof window.pendo].join()'), ',undefined');
  assert.deepEqual(page.problems, []);
  return page;
};

const health = () => world.plane.requests.filter((one) => one.path === '/lib/health').map((one) => one.json.state);

/** By file of tests/data/captures. */
const TABLE = {
  'v3-identify-group-track-with-pendo': withPendo(),
  'v3-separate-plugins-smallest-list': withPendo(),
  'v3-separate-plugins-with-rudderstack-pendo-bundle': withPendo(),
  'v2-identify-group-track-with-pendo': withPendo(),
  // Ours needs no address but that of its script.
  'script-tag-install-finds-base-urls': withPendo({ more: { configUrl: undefined } }),
  // BETTER: the server sends the tracks.
  'hybrid-mode': withPendo({ tracks: [] }),
  // BETTER: there is no /transform; the event is delivered as it is.
  'device-mode-transformation': withPendo(),

  async 'batch-mode'(capture) {
    const page = await play(capture);
    await ready(page);
    await assertSame(capture);
    for (const { path, json } of world.plane.posts()) {
      assert.equal(path, '/v1/batch');
      assert.deepEqual(new Set(json.batch.map((event) => event.sentAt)), new Set([json.sentAt]));
      assert.ok(json.batch.length <= 2);
    }
  },
  async 'beacon-mode-page-leave'(capture) {
    const page = await play(capture);
    await ready(page);
    await page.goto('about:blank');
    await until(() => world.plane.names().includes('Page Unloaded'));
    const untimed = (events) => events.map((event) => comparable({ ...event, properties: Object.keys(event.properties || {}) })).map(({ context: { autoTrack, ...context }, ...event }) => ({ ...event, context, view: typeof autoTrack.page.pageViewId }));
    assert.deepEqual(untimed(kept()), untimed(recorded(capture)));
  },
  'consent-custom-denied': withoutPendo,
  'load-option-integrations-all-false': withoutPendo,
  async 'unknown-display-name'(capture) {
    const page = await withoutPendo(capture);
    assert.ok(page.consoleLines.some((line) => line.includes('PENDO')), page.consoleLines.join());
  },
  async 'integration-bundle-missing'(capture) {
    // Ours brings its integration along; what can be missing is the agent's script.
    world.plane.answer = ({ path }) => (path === AGENT ? 404 : 200);
    const page = await play(capture, { agent: '' });
    await ready(page);
    await assertSame(capture);
    await until(() => health().length);
    assert.deepEqual(health(), ['blocked']);
    assert.deepEqual(page.problems, []);
  },
  async 'integration-never-ready'(capture) {
    const clocked = await world.browser.visitor();
    await clocked.clock.install();
    const page = await play(capture, { agent: 'window.wasAsked = true;', context: clocked });
    await page.waitForFunction('window.wasAsked');
    await until(async () => {
      await page.clock.runFor(1000);
      return page.evaluate('window.isReady');
    }, 15000);
    // Given up as late as RudderStack's, at most.
    assert.ok((await page.evaluate('performance.now()')) <= capture.readyAfterMs + 1000);
    await assertSame(capture);
    await until(() => health().includes('failed') || health().includes('slow'));
    assert.deepEqual(page.problems, []);
  },
  async 'error-report-when-integration-init-throws'(capture) {
    const thrower = structuredClone(capture);
    const [destination] = thrower.sourceConfig.source.destinations;
    destination.destinationDefinition.displayName = 'Custom Device Mode';
    const own = "{ init: function () { window.wasTried = true; throw new Error('boom in init'); }, isReady: function () { return true; } }";
    const page = await play(thrower, { script: `rudderanalytics.addCustomIntegration('${destination.id}', ${own})` });
    await ready(page);
    assert.equal(await page.evaluate('wasTried'), true);
    await assertSame(capture);
    assert.deepEqual(world.plane.requests.filter((one) => /rsaMetrics/.test(one.path)), []);
    assert.deepEqual(page.problems, []);
  },
  async 'event-recovered-by-the-next-page'(capture) {
    const context = await world.browser.visitor();
    // The first page fails with it, also as it is left.
    world.plane.answer = (post) => (post.headers['rsa-recovered'] ? 200 : 503);
    const first = await play(capture, { context });
    await ready(first);
    await until(() => world.plane.posts().length);
    await first.close();
    await play(capture, { context, calls: [] });
    await assertSame(capture);
    const [lost, ...later] = world.plane.posts();
    const found = later.find((post) => post.answered === 200);
    assert.equal(found.headers['rsa-recovered'], 'true');
    assert.equal(found.json.batch[0].messageId, lost.json.batch[0].messageId);
  },
  async 'retry-503-429-and-drop-400-401-404'(capture) {
    // An event a request, as the genuine SDK posts them; ours one after the other.
    const tries = {};
    world.plane.answer = ({ json }) => {
      const { event } = json.batch[0];
      tries[event] = (tries[event] || 0) + 1;
      return tries[event] > 2 ? 200 : +event.slice(1);
    };
    const { queueOptions } = capture.load[2];
    const page = await play(capture, { more: { queueOptions: { ...queueOptions, batch: { enabled: true, maxItems: 1 } } } });
    await until(() => tries.s302);
    const before = {};
    for (const { body: { event } } of capture.posts) before[event] = (before[event] || 0) + 1;
    assert.deepEqual(tries, before);
    assert.deepEqual(world.plane.names(), ['s503', 's429', 's302']);
    assert.deepEqual(page.problems, []);
  },
  async 'source-config-answers-500'(capture) {
    world.plane.configStatus = 500;
    const page = await play(capture);
    // BETTER: the events do not depend on it, and it is asked again.
    await until(() => world.plane.events().length === 3);
    assert.deepEqual(world.plane.events().map((event) => event.type), capture.calls.map(([method]) => method));
    assert.equal(await page.evaluate('window.isReady'), undefined);
    world.plane.configStatus = 200;
    await ready(page);
  },
  async 'source-disabled'(capture) {
    const page = await play(capture);
    await until(() => page.consoleLines.some((line) => line.includes('disabled')));
    await page.evaluate("rudderanalytics.track('later')");
    await page.goto('about:blank');
    assert.deepEqual(world.plane.posts(), []);
    assert.deepEqual(page.problems, []);
  },
  async 'pendo-large-metadata-post-and-unload-flush'(capture) {
    const [identify, group, track] = capture.calls;
    const page = await play({ ...capture, calls: [identify, group, track] });
    await ready(page);
    await assertPendo({ ...capture, calls: [identify, group, track] }, page);
    const large = recorded(capture).filter((event) => event.type === 'identify').at(-1).context.traits;
    assert.ok(Object.keys(large).length > 120);
    await page.evaluate(`rudderanalytics.identify('${identify[1]}', ${JSON.stringify(large)})`);
    await until(async () => (await sandbox.requests()).some((one) => one.method === 'POST' && one.path.includes('/data/ptm.gif')));
    await page.evaluate("rudderanalytics.track('just before unload', {a: 1})");
    await page.goto('about:blank');
    await until(async () => (await sandbox.events('track')).some((one) => one.event === 'just before unload'));
    assert.deepEqual((await sandbox.state()).visitors[identify[1]].metadata.agent, cleanTraits(large, { metadataGroup: 'agent', nestedTraits: 'flatten' }));
    await until(() => kept().length === recorded(capture).length);
    assert.deepEqual(kept().map(comparable).sort(byType), recorded(capture).map(comparable).sort(byType));
  },
};

/** Pages with the agent alone, without its hosts it talks to Pendo: ours always names them, so what stays is a page that asks nobody else. */
for (const name of FILES.filter((name) => name.startsWith('pendo-agent-npm'))) {
  TABLE[name] = async () => {
    const sample = read('v3-identify-group-track-with-pendo');
    const page = await play(sample, { agent: `window.given = pendo._q.find(function (call) { return call[0] === 'initialize'; })[1];${genuine}` });
    await ready(page);
    assert.equal(await page.evaluate('given.dataHost'), sandbox.url);
    await assertPendo(sample, page);
    world.browser.assertLocal();
  };
}

const read = (name) => JSON.parse(readFileSync(new URL(name + '.json', FOLDER)));

for (const [name, check] of Object.entries(TABLE)) {
  test(name, async () => {
    await sandbox.reset();
    await check(read(name));
    world.browser.assertLocal();
  });
}

test('every capture has its test', () => assert.deepEqual(Object.keys(TABLE).sort(), FILES.sort()));
