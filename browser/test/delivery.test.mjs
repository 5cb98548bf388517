// From the snippet to the data plane.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();

test('the documented calls of the snippet arrive in one batch, in order', async () => {
  const page = await world.show('/', world.snippet(`
    rudderanalytics.identify('name123', {name: 'Name'});
    rudderanalytics.group('groupId', {name: 'Company'});
    rudderanalytics.track('test track event', {revenue: 30});
    rudderanalytics.ready(function () { window.isReady = true; });`));
  await until(() => world.plane.events().length === 3, 5000, () => JSON.stringify(page.consoleLines) + JSON.stringify(page.problems));
  await page.waitForFunction('window.isReady');
  assert.deepEqual(world.plane.events().map((event) => event.type), ['identify', 'group', 'track']);
  assert.equal(world.plane.posts().length, 1);
  assert.deepEqual(page.problems, []);
  world.browser.assertLocal();
});

const FAST = { options: { queueOptions: { minRetryDelay: 100, maxRetryDelay: 200 } } };
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';

for (const [what, verdict] of Object.entries({ '503': 503, '429': 429, '408': 408, 'no connection': { status: 599, drop: true } })) {
  test(`${what} is retried, with the same messageId, the true reason and no loss of order`, async () => {
    let left = 2;
    world.plane.answer = () => (left-- > 0 ? verdict : 200);
    await world.show('/', world.snippet("rudderanalytics.track('one'); rudderanalytics.track('two');", FAST));
    await until(() => world.plane.events().length === 2);
    const posts = world.plane.posts();
    // Chromium itself repeats a request whose connection broke, and one that got 408.
    const isBrowsersOwn = /408|connection/.test(what);
    if (!isBrowsersOwn) assert.equal(posts.length, 3);
    assert.equal(new Set(posts.map((post) => post.json.batch[0].messageId)).size, 1);
    if (!isBrowsersOwn) {
      assert.deepEqual(posts.map((post) => post.headers['rsa-retry-attempt']), [undefined, '1', '2']);
      assert.equal(posts[1].headers['rsa-retry-reason'], 'server-' + what);
    }
    assert.equal(Buffer.from(posts[0].headers.anonymousid, 'base64').toString(), posts[0].json.batch[0].anonymousId);
    assert.deepEqual(world.plane.names(), ['one', 'two']);
  });
}

test('Retry-After is waited for, also by a page whose start is not over yet', async () => {
  let first = true;
  world.plane.answer = () => (first ? ((first = false), { status: 429, headers: { 'retry-after': '2' } }) : 200);
  await world.show('/', world.snippet("rudderanalytics.track('one');", FAST));
  await until(() => world.plane.events().length === 1);
  const [one, two] = world.plane.posts();
  assert.ok(two.at - one.at >= 1950, String(two.at - one.at));
});

test('413 halves the batch, 401 drops it', async () => {
  world.plane.answer = (post) => (post.json.batch.length > 2 ? 413 : 200);
  const page = await world.show('/', world.snippet("for (var i = 0; i < 7; i++) rudderanalytics.track('e' + i);" + READY));
  await until(() => world.plane.events().length === 7);
  assert.deepEqual(world.plane.names(), ['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6']);
  world.plane.answer = () => 401;
  await page.evaluate("rudderanalytics.track('refused')");
  await until(() => world.plane.posts().some((post) => post.answered === 401));
  world.plane.answer = () => 200;
  await page.evaluate("rudderanalytics.track('next')");
  await until(() => world.plane.names().includes('next'));
  assert.deepEqual(world.plane.posts().filter((post) => post.body.includes('refused')).map((post) => post.answered), [401]);
});

test('events survive a reload and another page sends them, marked as recovered', async () => {
  // The page that made it fails with it, also as it is left.
  world.plane.answer = (post) => (post.headers['rsa-recovered'] ? 200 : 503);
  const context = await world.browser.visitor();
  const page = await world.show('/', world.snippet("rudderanalytics.track('kept');" + READY), context);
  await until(() => world.plane.posts().length > 0);
  await page.close();
  await world.show('/next', world.snippet(''), context);
  await until(() => world.plane.names().includes('kept'), 15000);
  assert.equal(world.plane.posts().find((post) => post.answered === 200).headers['rsa-recovered'], 'true');
  await context.close();
});

/** What a page left in the storage that could not send its event, as [key, value]. */
const leftBehind = async (writeKey) => {
  // What the page tries once more as it is closed does not count.
  world.plane.answer = (post) => (post.body.includes('left') && !post.headers['rsa-recovered'] ? 503 : 200);
  const page = await world.show('/left', world.snippet("rudderanalytics.track('left');" + READY).replace("'wk-web'", `'${writeKey}'`));
  await until(() => world.plane.posts().length > 0);
  const left = await page.evaluate("Object.entries(localStorage).filter(function (one) { return one[0].startsWith('sp_q'); })");
  await page.context().close();
  assert.equal(left.length, 2);
  return left;
};
const withStored = async (entries) => {
  const context = await world.browser.visitor();
  await context.addInitScript(`if (!sessionStorage.once) ${JSON.stringify(entries)}.forEach(function (one) { localStorage.setItem(one[0], one[1]); }); sessionStorage.once = 1;`);
  return context;
};

test('events of a tab that was killed while the clock was ahead do not wait until that time', async () => {
  const left = await leftBehind('wk-web');
  const context = await withStored(left.map(([key, value]) => [key, value.includes('{') ? value : String(Date.now() + 864e5)]));
  await world.show('/next', world.snippet(READY), context);
  await until(() => world.plane.names().includes('left'));
});

test('events that a former build left in the store are taken over', async () => {
  const text = JSON.stringify({ type: 'track', event: 'left', anonymousId: 'a', messageId: 'm-1', originalTimestamp: new Date().toISOString() });
  const tab = 'sp_q.wk-web.3f0c9a52-7d1e-4b86-9c35-0123456789ab';
  const context = await withStored([[tab, '1'], [tab + '.1000000000', text]]);
  const page = await world.show('/next', world.snippet(READY), context);
  await until(() => world.plane.names().includes('left'));
  await until(() => page.evaluate("!Object.keys(localStorage).some(function (key) { return key.startsWith('sp_q'); })"));
});

test('events of another source of the site stay with it, also where its write key begins alike', async () => {
  const left = await leftBehind('wk-web.two');
  // Its tab is gone, and says nothing any more.
  const context = await withStored(left.filter(([, value]) => value.includes('{')));
  const page = await world.show('/next', world.snippet("rudderanalytics.track('mine');" + READY), context);
  await until(() => world.plane.names().includes('mine'));
  assert.deepEqual(world.plane.names(), ['mine']);
  assert.equal(await page.evaluate("Object.values(localStorage).some(function (one) { return one.includes('left'); })"), true);
});

for (const queueOptions of [{ maxItems: 0 }, { maxItems: -1 }, { minRetryDelay: 'soon' }, { maxRetryDelay: 1e12, minRetryDelay: 1e12 }]) {
  test('values that can be none: ' + JSON.stringify(queueOptions), async () => {
    let first = true;
    world.plane.answer = () => (first ? ((first = false), 503) : 200);
    const page = await world.show('/', world.snippet("rudderanalytics.track('one'); rudderanalytics.track('two');" + READY, { options: { queueOptions } }));
    if (queueOptions.maxRetryDelay) {
      await until(() => world.plane.posts().length === 1);
      // A wait that long is an hour, and no reason to ask at once.
      await page.evaluate("rudderanalytics.track('three'); new Promise(function (done) { setTimeout(done, 100); })");
      assert.equal(world.plane.posts().length, 1);
      return;
    }
    await until(() => world.plane.events().length === 2);
    const [one, two] = world.plane.posts();
    assert.ok(two.at - one.at > 400, String(two.at - one.at));
  });
}

test('a browser whose requests cannot be given a time', async () => {
  world.site.pages['/old'] = world.snippet("rudderanalytics.track('t');" + READY);
  const page = await world.browser.open(await world.browser.visitor(), world.site.url + '/old', 'delete AbortSignal.timeout;');
  await page.waitForFunction('window.isReady');
  await until(() => world.plane.names().includes('t'));
  assert.deepEqual(page.problems, []);
});

test('after an event that is refused the batches grow again', async () => {
  world.plane.answer = (post) => (post.body.includes('"bad"') ? 400 : 200);
  const page = await world.show('/', world.snippet("['a', 'b', 'bad', 'c', 'd', 'e', 'f', 'g'].forEach(function (one) { rudderanalytics.track(one); });" + READY));
  await until(() => world.plane.events().length === 7, 8000, () => JSON.stringify(world.plane.posts().map((post) => [post.answered, post.json.batch.map((one) => one.event), post.at])));
  await page.evaluate("for (var i = 0; i < 4; i++) rudderanalytics.track('later')");
  await until(() => world.plane.events().length === 11);
  assert.equal(world.plane.posts().at(-1).json.batch.length, 4);
});

test('a full queue drops tracks, never an identify', async () => {
  world.plane.answer = () => 503;
  const page = await world.show('/', world.snippet("rudderanalytics.identify('A'); for (var i = 0; i < 9; i++) rudderanalytics.track('e' + i);" + READY,
    { options: { queueOptions: { maxItems: 4, minRetryDelay: 100, maxRetryDelay: 200 } } }));
  await page.waitForFunction('window.isReady');
  world.plane.answer = () => 200;
  await until(() => world.plane.events().length === 4);
  assert.deepEqual(world.plane.names(), ['identify', 'e6', 'e7', 'e8']);
});

test('two tabs share the store: nothing is lost and nothing sent twice', async () => {
  const context = await world.browser.visitor();
  const tabs = [await world.show('/a', world.snippet(READY), context), await world.show('/b', world.snippet(READY), context)];
  world.plane.answer = () => 503;
  await Promise.all(tabs.map((tab, at) => tab.evaluate(`for (var i = 0; i < 20; i++) rudderanalytics.track('t${at}-' + i)`)));
  await until(() => ['t0-', 't1-'].every((name) => world.plane.posts().some((post) => post.answered === 503 && post.body.includes(name))));
  world.plane.answer = () => 200;
  await until(() => world.plane.events().length >= 40, 12000);
  await Promise.all(tabs.map((tab, at) => tab.evaluate(`rudderanalytics.track('marker ${at}')`)));
  await until(() => [0, 1].every((at) => world.plane.names().includes('marker ' + at)));
  assert.equal(new Set(world.plane.events().map((event) => event.messageId)).size, 42);
  assert.equal(world.plane.events().length, 42);
  await context.close();
});

test('one batch at a time says that it is in order; what leaves with the page while one is under way does not', async () => {
  world.plane.answer = (post) => (post.json.batch.some((event) => event.event === 'slow') ? { status: 200, delayMs: 1500 } : 200);
  const page = await world.show('/', world.snippet("rudderanalytics.track('slow');" + READY));
  await until(() => world.plane.posts().length === 1);
  await page.evaluate("rudderanalytics.track('last'), new Promise(function (done) { setTimeout(done) })");
  await page.goto('about:blank');
  await until(() => world.plane.names().includes('last'));
  const said = (name) => world.plane.posts().find((post) => post.json.batch.some((event) => event.event === name)).headers['sternpost-in-order'];
  assert.deepEqual([said('slow'), said('last')], ['true', undefined]);
});

/** As when the tab is no longer looked at, and goes on. */
const HIDE = "Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'));";

test('what a page sent as it was hidden is under way: the next batch does not say that it is in order', async () => {
  world.plane.answer = (post) => ({ status: 200, delayMs: post.body.includes('hidden') ? 1500 : 0 });
  const page = await world.show('/', world.snippet(READY));
  await page.waitForFunction('window.isReady');
  await page.evaluate("rudderanalytics.track('hidden'); " + HIDE);
  await until(() => world.plane.posts().length === 1);
  await page.evaluate("rudderanalytics.track('meanwhile')");
  await until(() => world.plane.posts().length === 2);
  assert.deepEqual(world.plane.names(), ['hidden', 'meanwhile']);
  assert.equal(world.plane.posts()[1].headers['sternpost-in-order'], undefined);
});

test('a page that is hidden while the server is away keeps its events: a beacon says nothing of its arrival', async () => {
  world.plane.answer = () => ({ status: 599, drop: true });
  const page = await world.show('/', world.snippet("rudderanalytics.track('kept');" + READY, FAST));
  await until(() => world.plane.posts().length > 0);
  await page.evaluate(HIDE);
  await page.evaluate("rudderanalytics.track('later'); " + HIDE);
  await until(() => world.plane.posts().some((post) => post.path === '/beacon/v1/batch'));
  world.plane.answer = () => 200;
  await until(() => new Set(world.plane.names()).size === 2);
});

test('a store that is full loses nothing', async () => {
  const context = await world.browser.visitor();
  world.site.pages['/full'] = world.snippet("rudderanalytics.identify('A'); rudderanalytics.track('t');" + READY);
  const page = await world.browser.open(context, world.site.url + '/full', "Storage.prototype.setItem = function () { throw new DOMException('full', 'QuotaExceededError'); };");
  await until(() => world.plane.events().length === 2);
  assert.deepEqual(page.problems, []);
});

test('leaving the page: what waits leaves by fetch, "Page Unloaded" included', async () => {
  const page = await world.show('/', world.snippet(READY, { options: { autoTrack: { pageLifecycle: { enabled: true } } } }));
  await page.waitForFunction('window.isReady');
  await page.evaluate("rudderanalytics.track('last')");
  await page.goto('about:blank');
  await until(() => world.plane.names().includes('Page Unloaded'));
  assert.ok(world.plane.names().includes('last'));
  assert.ok(world.plane.posts().every((post) => post.path === '/v1/batch'));
});

test('sourceConfig that fails: events leave meanwhile, the configuration comes later', async () => {
  world.plane.configStatus = 500;
  const page = await world.show('/', world.snippet("rudderanalytics.track('t');" + READY));
  await until(() => world.plane.names().includes('t'));
  world.plane.configStatus = 200;
  await page.waitForFunction('window.isReady');
});

test('a disabled source: nothing leaves', async () => {
  world.plane.config.source.enabled = false;
  const context = await world.browser.visitor();
  await context.clock.install();
  const page = await world.show('/', world.snippet("rudderanalytics.track('t');" + READY), context);
  await until(() => page.consoleLines.some((line) => line.includes('disabled')));
  // By then delivery begins in any case, and has been tried again and again.
  await page.clock.runFor(10000);
  await page.evaluate("rudderanalytics.track('later')");
  await page.clock.runFor(10000);
  assert.equal(world.plane.posts().length, 0);
  assert.equal(await page.evaluate('window.isReady'), undefined);
});
