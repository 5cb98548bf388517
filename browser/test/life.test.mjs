// The life of a page: tabs that close and live side by side, stores that refuse, servers that come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pendoDestination, sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const FAST = { options: { queueOptions: { minRetryDelay: 100, maxRetryDelay: 400 } } };
const DOWN = { status: 599, drop: true };
const ready = (page) => page.waitForFunction('window.isReady', null, { timeout: 15000 });

/** What the server keeps: each messageId once, in the order of first arrival. */
const kept = () => [...new Map(world.plane.events().map((event) => [event.messageId, event.event || event.type])).values()];

test('no listener that keeps a page out of the back/forward cache', async () => {
  world.site.pages['/listeners'] = world.snippet(READY);
  const page = await world.browser.open(await world.browser.visitor(), world.site.url + '/listeners',
    "window.heard = []; for (const one of [window, document]) { const own = one.addEventListener; one.addEventListener = function (name) { heard.push(name); return own.apply(this, arguments); }; }");
  await ready(page);
  assert.deepEqual((await page.evaluate('heard')).filter((name) => /unload/.test(name)), []);
});

test('a tab that is closed with events waiting: the next page of the site delivers them, in their order', async () => {
  const context = await world.browser.visitor();
  world.plane.answer = () => DOWN;
  const page = await world.show('/a', world.snippet("rudderanalytics.identify('A', {n: 1}); for (var i = 0; i < 5; i++) rudderanalytics.track('e' + i);" + READY, FAST), context);
  await ready(page);
  await page.close();
  world.plane.answer = () => 200;
  await world.show('/b', world.snippet("rudderanalytics.track('next');" + READY, FAST), context);
  await until(() => kept().length === 7, 15000, () => JSON.stringify(kept()));
  assert.deepEqual(kept().filter((name) => name !== 'next'), ['identify', 'e0', 'e1', 'e2', 'e3', 'e4']);
});

test('two tabs, one of them closed: nothing is lost, the other one goes on', async () => {
  const context = await world.browser.visitor();
  const [one, two] = [await world.show('/a', world.snippet(READY, FAST), context), await world.show('/b', world.snippet(READY, FAST), context)];
  await Promise.all([ready(one), ready(two)]);
  world.plane.answer = () => DOWN;
  await Promise.all([one, two].map((tab, at) => tab.evaluate(`for (var i = 0; i < 5; i++) rudderanalytics.track('t${at}-' + i)`)));
  await one.close();
  world.plane.answer = () => 200;
  await until(() => kept().length === 10, 15000, () => JSON.stringify(kept()));
  for (const tab of [0, 1]) assert.deepEqual(kept().filter((name) => name.startsWith(`t${tab}-`)), [0, 1, 2, 3, 4].map((i) => `t${tab}-${i}`));
});

test('a click that leaves the page at once', async () => {
  world.site.pages['/next'] = '<!doctype html><p>next</p>';
  const link = `<a id="go" href="/next" onclick="rudderanalytics.track('clicked')">go</a>`;
  const page = await world.show('/', world.snippet(READY).replace('<p>x</p>', link));
  await ready(page);
  await page.click('#go');
  await page.waitForURL(world.site.url + '/next');
  await until(() => kept().includes('clicked'));
});

test('a server that is down for a while: everything arrives, in order, however long it took', async () => {
  world.plane.answer = () => DOWN;
  const page = await world.show('/', world.snippet("rudderanalytics.identify('A'); rudderanalytics.track('one');" + READY, FAST));
  await ready(page);
  await until(() => world.plane.posts().length >= 3);
  world.plane.answer = () => 503;
  await page.evaluate("rudderanalytics.track('two')");
  await until(() => world.plane.posts().filter((post) => post.answered === 503).length >= 2);
  world.plane.answer = () => 200;
  await until(() => kept().length === 3);
  assert.deepEqual(kept(), ['identify', 'one', 'two']);
});

test('one event that is too large costs only itself', async () => {
  world.plane.answer = (post) => (post.body.length > 30000 ? 413 : 200);
  const page = await world.show('/', world.snippet("rudderanalytics.track('small'); rudderanalytics.track('large', {text: 'x'.repeat(40000)}); rudderanalytics.track('last');" + READY, FAST));
  await until(() => kept().includes('last'));
  assert.deepEqual(kept(), ['small', 'last']);
  assert.deepEqual(page.problems, []);
});

const DENY = {
  'localStorage and sessionStorage': "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });",
  cookies: "Object.defineProperty(document, 'cookie', { get() { return ''; }, set() {} });",
  'cookies, with an error': "Object.defineProperty(document, 'cookie', { get() { throw new DOMException('denied', 'SecurityError'); }, set() { throw new DOMException('denied', 'SecurityError'); } });",
  'writing to any store': "Storage.prototype.setItem = function () { throw new DOMException('full', 'QuotaExceededError'); };",
  'everything, as null': "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { value: null }); Object.defineProperty(document, 'cookie', { get() { return ''; }, set() {} });",
};
for (const [what, script] of Object.entries(DENY)) {
  test(`a browser that denies ${what}: one anonymous id, the identity for this page view, every event`, async () => {
    world.site.pages['/denied'] = world.snippet("rudderanalytics.track('early'); rudderanalytics.identify('A', {n: 1}); rudderanalytics.group('g', {m: 2});" + READY, FAST);
    const page = await world.browser.open(await world.browser.visitor(), world.site.url + '/denied', script);
    await ready(page);
    await page.evaluate("rudderanalytics.track('late')");
    await until(() => kept().length === 4);
    assert.deepEqual(kept(), ['early', 'identify', 'group', 'late']);
    const events = world.plane.events();
    assert.equal(new Set(events.map((event) => event.anonymousId)).size, 1);
    assert.deepEqual(events.map((event) => event.userId), ['', 'A', 'A', 'A']);
    assert.deepEqual(await page.evaluate('[rudderanalytics.getUserId(), rudderanalytics.getUserTraits(), rudderanalytics.getGroupId()]'), ['A', { n: 1 }, 'g']);
    assert.deepEqual(page.problems, []);
  });
}

test('sourceConfig that is slow or wrong: events leave meanwhile; when it is right, the destination starts with them', async () => {
  world.plane.config = { source: 'nonsense' };
  const page = await world.show('/', world.snippet("rudderanalytics.track('one');" + READY));
  await until(() => kept().includes('one'));
  assert.equal(await page.evaluate('window.isReady'), undefined);
  world.plane.config = sourceConfig([pendoDestination({ region: 'custom', hosts: { data: world.plane.url, content: 'http://127.0.0.1:9' } })]);
  await ready(page);
  await until(() => world.plane.requests.some((one) => one.path === '/lib/health'));
  assert.deepEqual(page.problems, []);
});

for (const [form, wrap] of [['an object', 'x'], ['text', 'JSON.stringify(x)'], ['a promise of an object', 'Promise.resolve(x)'], ['a promise of text', 'Promise.resolve(JSON.stringify(x))']]) {
  test(`getSourceConfig: ${form}, and nothing is asked`, async () => {
    const config = sourceConfig([], { name: 'own' });
    const html = world.snippet(READY, { options: `{ getSourceConfig: function () { var x = ${JSON.stringify(config)}; return ${wrap}; } }` });
    const page = await world.show('/own', html);
    await ready(page);
    await page.evaluate("rudderanalytics.track('t')");
    await until(() => kept().includes('t'));
    assert.deepEqual(world.plane.requests.filter((one) => one.path.startsWith('/sourceConfig')), []);
  });
}

test('an unknown write key: asked again later, the page is whole', async () => {
  world.plane.configStatus = 401;
  world.plane.answer = () => 401;
  const page = await world.show('/', world.snippet("rudderanalytics.track('t');" + READY));
  await until(() => world.plane.posts().length > 0);
  await until(() => world.plane.requests.filter((one) => one.path.startsWith('/sourceConfig') && !one.preflight).length >= 2, 6000);
  assert.deepEqual(kept(), []);
  // Refused for good: not kept, and not asked again without end.
  assert.equal(world.plane.posts().length, 1);
  assert.equal(await page.evaluate("Object.keys(localStorage).filter(function (key) { return /^sp_q.*\\\\.\\\\d+$/.test(key); }).length"), 0);
  assert.deepEqual(page.problems, []);
});
