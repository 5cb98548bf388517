// Options of `load` and calls that few pages use, by what can be seen of each: through ours and, where it does the same, through the genuine v3.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const own = (config = {}) => ({ id: 'own', enabled: true, destinationDefinition: { name: 'CUSTOM', displayName: 'Custom Device Mode' }, config });
const ADD = `window.got = []; rudderanalytics.addCustomIntegration('own', {
  init: function (config) { window.config = config; }, isReady: function () { return true; }, track: function (a, l, p) { got.push(p.message.event); } });`;

/** A page of `sdk` with these options; `calls` are made once it is ready, unless `early`. */
const open = async (sdk, options, { calls = '', early = '', query = '', context, wait = true } = {}) => {
  const html = sdk === 'ours' ? world.snippet(early + READY, { options }) : world.genuine('v3', READY, options, 'window.rudderanalytics = window.ra;' + early);
  world.site.pages['/page'] = html;
  const page = await world.browser.open(context || (await world.browser.visitor()), world.site.url + '/page' + query);
  if (wait) await page.waitForFunction('window.isReady');
  if (calls) await page.evaluate(calls);
  return page;
};

/** The events of names in the order in which they were made. */
const events = async (...names) => {
  await until(() => names.every((name) => world.plane.names().includes(name)), 8000, () => JSON.stringify(world.plane.names()));
  return names.map((name) => world.plane.events().find((event) => (event.event || event.type) === name));
};

const both = (title, check) => {
  for (const sdk of ['ours', 'v3']) test(`${title}: ${sdk}`, () => check(sdk));
};

for (const level of ['none', 'default', 'full']) {
  test(`uaChTrackLevel ${level}: the hints that v3 sends`, async () => {
    const seen = [];
    for (const sdk of ['ours', 'v3']) {
      await world.plane.reset();
      // What is asked of the browser for `full` is there with the next event.
      await open(sdk, { uaChTrackLevel: level }, { calls: "new Promise(function (done) { setTimeout(done); }).then(function () { rudderanalytics.track('t'); })" });
      seen.push((await events('t'))[0].context['ua-ch']);
    }
    assert.deepEqual(seen[0], seen[1]);
    assert.equal(typeof seen[0], level === 'none' ? 'undefined' : 'object');
    if (level === 'full') assert.ok('architecture' in seen[0]);
  });
}

both('externalAnonymousIdCookieName: the cookie of the site is the anonymousId', async (sdk) => {
  const context = await world.browser.visitor();
  await context.addCookies([{ name: 'shop_id', value: 'from-the-shop', url: world.site.url }]);
  await open(sdk, { externalAnonymousIdCookieName: 'shop_id' }, { context, calls: "rudderanalytics.track('t')" });
  assert.equal((await events('t'))[0].anonymousId, 'from-the-shop');
});

for (const where of ['localStorage', 'a cookie']) {
  both(`anonymousIdOptions: what Segment left in ${where} is taken over`, async (sdk) => {
    const context = await world.browser.visitor();
    if (where === 'a cookie') await context.addCookies([{ name: 'ajs_anonymous_id', value: 'of-segment', url: world.site.url }]);
    else await context.addInitScript(`localStorage.setItem('ajs_anonymous_id', '"of-segment"')`);
    const page = await open(sdk, { anonymousIdOptions: { autoCapture: { enabled: true, source: 'segment' } } }, { context, calls: "rudderanalytics.track('t')" });
    assert.equal((await events('t'))[0].anonymousId, 'of-segment');
    assert.deepEqual(page.problems, []);
  });
}

// [what the configuration says, what the page says instead, what the destination gets]
const OVERRIDES = [
  ['it stays', own(), [{ id: 'other', enabled: false }], ['t']],
  ['switched off', own(), [{ id: 'own', enabled: false }], undefined],
  ['switched on', { ...own(), enabled: false }, [{ id: 'own', enabled: true }], ['t']],
  ['another list', own(), [{ id: 'own', config: { eventFilteringOption: 'blacklistedEvents', blacklistedEvents: [{ eventName: 't' }] } }], []],
];
for (const [title, destination, destinations, gets] of OVERRIDES) {
  both(`sourceConfigurationOverride, ${title}`, async (sdk) => {
    world.plane.config = sourceConfig([destination]);
    const page = await open(sdk, { sourceConfigurationOverride: { destinations } }, { early: ADD, calls: "rudderanalytics.track('t')" });
    await events('t');
    assert.deepEqual(await page.evaluate('[!!window.config, got]'), [!!gets, gets || []]);
  });
}

both('context: the first custom context of every event', async (sdk) => {
  await open(sdk, { context: { shop: { lang: 'it' }, userAgent: 'no' } }, { calls: "rudderanalytics.track('one'); rudderanalytics.clearCustomContext(); rudderanalytics.track('two')" });
  const [one, two] = await events('one', 'two');
  assert.deepEqual([one.context.shop, two.context.shop], [{ lang: 'it' }, undefined]);
  assert.notEqual(one.context.userAgent, 'no');
});

both('useGlobalIntegrationsConfigInEvents', async (sdk) => {
  await open(sdk, { integrations: { All: true, Pendo: false }, useGlobalIntegrationsConfigInEvents: true }, { calls: "rudderanalytics.track('t', {}, {integrations: {All: false}})" });
  assert.deepEqual((await events('t'))[0].integrations, { All: true, Pendo: false });
});

for (const isBlocked of [true, false]) {
  test(`sendAdblockPage: the configuration's host is ${isBlocked ? '' : 'not '}blocked`, async () => {
    const context = await world.browser.visitor();
    if (isBlocked) await context.route('**/*view=ad*', (route) => route.abort());
    const asked = [];
    const note = (request) => /view=ad/.test(request.url()) && asked.push(request.method() + new URL(request.url()).pathname);
    context.on('requestfailed', note);
    context.on('requestfinished', note);
    await open('ours', { sendAdblockPage: true, sendAdblockPageOptions: { shop: 1 } }, { context, wait: false });
    await until(() => asked.includes('HEAD/sourceConfig/'));
    const [page] = context.pages();
    await page.evaluate("rudderanalytics.page('Home'); rudderanalytics.page('Next'); rudderanalytics.track('marker')");
    await events('marker');
    const seen = world.plane.events().filter((event) => event.type === 'page').map(({ name, category, properties, context: { shop } }) => [category, name, properties.path, shop]);
    assert.deepEqual(seen, [
      [undefined, 'Home', '/page', undefined],
      ...(isBlocked ? [['RudderJS-Initiated', 'ad-block page request', '/ad-blocked', 1]] : []),
      [undefined, 'Next', '/page', undefined],
    ]);
  });
}

both("calls in the page's address: the anonymous id, the user with traits, the event with properties, in this order and first", async (sdk) => {
  const query = '?ajs_aid=anon-1&ajs_uid=user-1&ajs_trait_plan=pro&ajs_trait_seats=3&ajs_event=Opened&ajs_prop_from=mail';
  await open(sdk, {}, { query, early: sdk === 'ours' ? "rudderanalytics.track('of the page');" : '', calls: sdk === 'v3' ? "rudderanalytics.track('of the page')" : '' });
  const [identify, opened, last] = await events('identify', 'Opened', 'of the page');
  assert.deepEqual([identify.anonymousId, identify.userId, identify.context.traits], ['anon-1', 'user-1', { plan: 'pro', seats: '3' }]);
  assert.deepEqual([opened.userId, opened.properties, last.userId], ['user-1', { from: 'mail' }, 'user-1']);
});

test('setAuthToken: kept as v3 keeps it, forgotten with a reset', async () => {
  const kept = [];
  for (const sdk of ['ours', 'v3']) {
    const page = await open(sdk, {}, { calls: "rudderanalytics.setAuthToken('token-1')" });
    const cookie = async () => ((await page.context().cookies()).find(({ name }) => name === 'rl_auth_token') || {}).value;
    await until(cookie);
    kept.push(await cookie());
    await page.evaluate('rudderanalytics.reset()');
    await until(async () => !(await cookie()));
  }
  assert.equal(kept[0], kept[1]);
});

both('a session by hand goes on with the next page, and ends', async (sdk) => {
  const context = await world.browser.visitor();
  await open(sdk, {}, { context, calls: "rudderanalytics.startSession(1234567890); rudderanalytics.track('one')" });
  await events('one');
  await open(sdk, {}, { context, calls: "rudderanalytics.track('two'); rudderanalytics.endSession(); rudderanalytics.track('three')" });
  const found = await events('one', 'two', 'three');
  assert.deepEqual(found.map(({ context: { sessionId, sessionStart } }) => [sessionId, sessionStart]), [[1234567890, true], [1234567890, undefined], [undefined, undefined]]);
});

for (const [title, cutOff, sessions] of [['without a cut-off one session', undefined, 1], ['with one a session ends though events go on', { enabled: true, duration: 120000 }, 2]]) {
  test(`sessions, ${title}`, async () => {
    const context = await world.browser.visitor();
    await context.clock.install();
    const page = await open('ours', { sessions: { timeout: 60000, ...(cutOff ? { cutOff } : {}) } }, { context, wait: false });
    await page.waitForFunction('window.rudderanalytics.getAnonymousId');
    await until(async () => (await page.clock.runFor(1000), page.evaluate('window.isReady')));
    for (const name of ['one', 'two', 'three', 'four']) {
      await page.evaluate(`rudderanalytics.track('${name}')`);
      await page.clock.runFor(50000);
    }
    const found = await events('one', 'two', 'three', 'four');
    assert.equal(new Set(found.map((event) => event.context.sessionId)).size, sessions);
    assert.deepEqual(found.map((event) => event.context.sessionStart), [true, undefined, undefined, sessions > 1 ? true : undefined]);
  });
}

// What a developer is told: [options, calls, what the console says].
const TOLD = [
  [{}, "track('')", /track needs a name/],
  [{}, "identify('u', {id: 'x'})", /reserved: id/],
  [{}, "group('g', {Group_Id: 'x'})", /reserved: Group_Id/],
  [{}, "track('t', {}, {library: {name: 'mine'}})", /reserved: library/],
  [{}, "track('t', {small: 1, text: 'x'.repeat(40000)})", /large: text/],
  [{}, "track('t', {}, {integrations: {pendo: false}})", /pendo is written Pendo/],
  [{}, "setCustomContext('text')", /bad context/],
  [{}, "setCustomContext({screen: {}})", /reserved: screen/],
  [{}, 'startSession(5)', /startSession 5/],
  [{}, 'ready(5)', /ready: 5/],
  [{ sessions: { timeout: 5000 } }, '', /sessions\.timeout 5000/],
  [{ sessions: { timeout: 60000, cutOff: { enabled: true, duration: 1000 } } }, '', /sessions\.cutOff 1000/],
  [{ useServerSideCookies: true }, '', /useServerSideCookies/],
  [{ consentManagement: { enabled: true, provider: 'nobody' } }, '', /no provider: nobody/],
];
for (const [options, calls, line] of TOLD) {
  test(`told: ${JSON.stringify(options)} ${calls.slice(0, 60)}`, async () => {
    world.plane.config = sourceConfig([{ ...own(), destinationDefinition: { name: 'PENDO', displayName: 'Pendo' }, config: { connectionMode: 'cloud' } }]);
    const page = await open('ours', { logLevel: 'WARN', ...options }, { calls: calls && 'rudderanalytics.' + calls });
    await until(() => page.consoleLines.some((one) => line.test(one)), 5000, () => page.consoleLines.join('\n'));
    assert.deepEqual(page.problems, []);
  });
}
test('told: nothing, where nothing is wrong', async () => {
  const page = await open('ours', { logLevel: 'WARN' }, { calls: "rudderanalytics.identify('u', {name: 'Ann'}); rudderanalytics.track('t', {a: 1}, {shop: 1}); rudderanalytics.page()" });
  await events('t', 'page');
  assert.deepEqual(page.consoleLines.filter((line) => line.includes('Sternpost')), []);
});
