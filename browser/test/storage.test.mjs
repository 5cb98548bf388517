// Identity: shared with the genuine v3 SDK in both directions, and between tabs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const READ = `({a: rudderanalytics.getAnonymousId(), u: rudderanalytics.getUserId(), t: rudderanalytics.getUserTraits(), g: rudderanalytics.getGroupId(), gt: rudderanalytics.getGroupTraits(), s: rudderanalytics.getSessionId()})`;
const wait = (page) => page.waitForFunction('window.isReady');
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const cookies = async (context) => Object.fromEntries((await context.cookies()).filter((one) => one.name.startsWith('rl_')).map((one) => [one.name, one.value]));

test('a site moves from v3 to us and back, and nobody is lost', async () => {
  const context = await world.browser.visitor();
  const v3 = world.genuine('v3', "ra.identify('ü1', {näme: 'Zoé', n: 1}); ra.group('g', {x: [1]}); ra.ready(function () { window.isReady = true; });");
  const first = await world.show('/a', v3, context);
  await wait(first);
  const before = await first.evaluate(READ);
  const stored = await cookies(context);
  await first.close();
  const ours = await world.show('/b', world.snippet(READY), context);
  await wait(ours);
  assert.deepEqual(await ours.evaluate(READ), before);
  const kept = await cookies(context);
  for (const name of ['rl_user_id', 'rl_trait', 'rl_group_id', 'rl_group_trait', 'rl_anonymous_id', 'rl_page_init_referrer']) assert.equal(kept[name], stored[name], name);
  await ours.evaluate("rudderanalytics.identify('ü1', {more: 'ö'})");
  const changed = await ours.evaluate(READ);
  await ours.close();
  const back = await world.show('/c', world.genuine('v3', 'ra.ready(function () { window.isReady = true; });'), context);
  await wait(back);
  assert.deepEqual(await back.evaluate(READ), changed);
  await context.close();
});

test('a logout in one tab is seen in the other before its next event', async () => {
  const context = await world.browser.visitor();
  const one = await world.show('/a', world.snippet("rudderanalytics.identify('A', {n: 1});" + READY), context);
  await wait(one);
  const two = await world.show('/b', world.snippet(READY), context);
  await wait(two);
  assert.equal(await two.evaluate('rudderanalytics.getUserId()'), 'A');
  await one.evaluate('rudderanalytics.reset()');
  await two.evaluate("rudderanalytics.track('after')");
  await until(() => world.plane.names().includes('after'));
  assert.equal(world.plane.events().find((event) => event.event === 'after').userId, '');
  await context.close();
});

for (const type of ['localStorage', 'sessionStorage', 'memoryStorage', 'none']) {
  test(`storage type ${type}`, async () => {
    const context = await world.browser.visitor();
    const page = await world.show('/a', world.snippet("rudderanalytics.identify('A', {n: 1}); rudderanalytics.track('t');" + READY, { options: { storage: { type } } }), context);
    await wait(page);
    await until(() => world.plane.events().length === 2);
    const [identify, track] = world.plane.events();
    assert.equal(identify.userId, 'A');
    assert.deepEqual(identify.context.traits, { n: 1 });
    assert.equal(track.userId, type === 'none' ? '' : 'A');
    assert.equal(identify.context.trulyAnonymousTracking, type === 'none' ? true : undefined);
    assert.deepEqual(await cookies(context), {});
    await context.close();
  });
}

test('without localStorage and cookies the page works and nothing is thrown', async () => {
  const page = await world.browser.visitor().then(async (context) => {
    world.site.pages['/denied'] = world.snippet("rudderanalytics.identify('A'); rudderanalytics.track('t');" + READY);
    return world.browser.open(context, world.site.url + '/denied', `for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, {get() { throw new DOMException('denied', 'SecurityError'); }});
      Object.defineProperty(document, 'cookie', {get() { throw new DOMException('denied', 'SecurityError'); }, set() { throw new DOMException('denied', 'SecurityError'); }});`);
  });
  await wait(page);
  await until(() => world.plane.events().length === 2);
  assert.equal(world.plane.events()[1].userId, 'A');
  assert.deepEqual(page.problems, []);
});

test('document.cookie, which asks another process, is read once for a task, and once for what an event stores', async () => {
  const count = `{ const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
    window.reads = 0;
    Object.defineProperty(document, 'cookie', { get() { window.reads++; return get.call(document); }, set(text) { set.call(document, text); } }); }`;
  world.site.pages['/count'] = world.snippet("rudderanalytics.identify('A', {n: 1}); rudderanalytics.group('G');" + READY);
  const page = await world.browser.open(await world.browser.visitor(), world.site.url + '/count', count);
  await wait(page);
  const reads = (calls) => page.evaluate(`(function () { window.reads = 0; ${calls}; return window.reads; })()`);
  assert.equal(await reads(READ), 1);
  assert.equal(await reads("rudderanalytics.track('one')"), 2);
  assert.equal(await reads("for (var i = 0; i < 5; i++) rudderanalytics.track('burst')"), 6);
});

test('an anonymousId that may not be stored is one for the page view', async () => {
  const page = await world.show('/a', world.snippet("rudderanalytics.track('one'); rudderanalytics.track('two');" + READY, { options: { storage: { type: 'none' } } }));
  await wait(page);
  await until(() => world.plane.events().length === 2);
  const [one, two] = world.plane.events();
  assert.equal(one.anonymousId, two.anonymousId);
  assert.equal(await page.evaluate('rudderanalytics.getAnonymousId()'), one.anonymousId);
  await page.reload();
  await wait(page);
  await until(() => world.plane.events().length === 4);
  assert.notEqual(world.plane.events()[2].anonymousId, one.anonymousId);
});

test('cookies that are cleared while the page is open: whoever is there afterwards is one person, and stays it', async () => {
  const page = await world.show('/a', world.snippet("rudderanalytics.track('before');" + READY));
  await wait(page);
  await page.context().clearCookies();
  await page.evaluate("rudderanalytics.track('one')");
  await page.evaluate("rudderanalytics.track('two')");
  await page.context().clearCookies();
  await page.evaluate("rudderanalytics.alias('me'); rudderanalytics.track('last')");
  await until(() => world.plane.events().length === 5);
  const [before, one, two, alias, last] = world.plane.events();
  assert.equal(new Set([before, one, alias].map((event) => event.anonymousId)).size, 3);
  assert.equal(two.anonymousId, one.anonymousId);
  assert.deepEqual([alias.previousId, last.anonymousId], [alias.anonymousId, alias.anonymousId]);
  assert.equal(await page.evaluate('rudderanalytics.getAnonymousId()'), last.anonymousId);
});

for (const script of ['sp.js', 'sp.min.js']) {
  test('a stored session that is none costs nothing but itself: ' + script, async () => {
    const context = await world.browser.visitor();
    await context.addCookies([{ name: 'rl_session', value: '1', url: world.site.url }]);
    const page = await world.show('/a', world.snippet("rudderanalytics.track('t');" + READY, { script }), context);
    await until(() => world.plane.names().includes('t'));
    assert.equal(typeof world.plane.events()[0].context.sessionId, 'number');
    assert.deepEqual(page.problems, []);
  });
}

test('what another script did to the cookies is seen by the next task', async () => {
  const page = await world.show('/a', world.snippet("rudderanalytics.identify('A');" + READY));
  await wait(page);
  const ids = await page.evaluate(`(async function () {
    var ids = [rudderanalytics.getUserId()];
    document.cookie = 'rl_user_id=;max-age=0;path=/';
    await 0;
    ids.push(rudderanalytics.getUserId());
    return ids;
  })()`);
  assert.deepEqual(ids, ['A', '']);
});
