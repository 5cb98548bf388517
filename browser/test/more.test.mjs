// The second file: only for pages that ask for it, and nothing is lost or let through while it is late or blocked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const CONSENT = { consentManagement: { enabled: true, provider: 'custom', allowedConsentIds: ['C1'], deniedConsentIds: ['C2'] } };
const OWN = { id: 'own', enabled: true, destinationDefinition: { name: 'CUSTOM', displayName: 'Custom Device Mode' }, config: {} };
const ADD = `window.got = []; rudderanalytics.addCustomIntegration('own', {
  isReady: function () { return true; }, track: function (a, l, p) { got.push(p.message.event); } });`;

/** A page whose requests for the second file are answered by `answer(route)`; `asked` lists the addresses of our scripts. */
const open = async (html, answer = (route) => route.continue()) => {
  const context = await world.browser.visitor();
  const asked = [];
  context.on('request', (request) => /\/lib\/sp/.test(request.url()) && asked.push(request.url()));
  await context.route(/sp\.more/, answer);
  return { page: await world.show('/', html, context), asked };
};

for (const [title, options, scripts] of [
  ['the documented snippet: one', {}, ['/lib/sp.min.js']],
  ['options that are switched off: one', { consentManagement: { enabled: false }, sendAdblockPage: false, uaChTrackLevel: 'none' }, ['/lib/sp.min.js']],
  ['consent management: two', CONSENT, ['/lib/sp.min.js', '/lib/sp.more.min.js']],
]) {
  test('requests for our scripts, ' + title, async () => {
    const { page, asked } = await open(world.snippet("rudderanalytics.track('t');" + READY, { options }));
    await page.waitForFunction('window.isReady');
    await until(() => world.plane.names().includes('t'));
    assert.deepEqual(asked.map((url) => new URL(url).pathname), scripts);
    assert.deepEqual(page.problems, []);
  });
}

test('calls made while it is on its way keep their order, time and page', async () => {
  let release;
  const { page } = await open(world.snippet(READY), (route) => (release = () => route.continue()));
  await page.waitForFunction('window.rudderanalytics.getAnonymousId');
  const before = await page.evaluate(`(function () { rudderanalytics.setCustomContext({ early: 1 }); rudderanalytics.track('one'); var t = Date.now(); history.pushState({}, '', '/next');
    rudderanalytics.setCustomContext({ mine: 1 }); rudderanalytics.identify('A'); rudderanalytics.track('two'); return t; })()`);
  await until(() => release);
  release();
  await until(() => world.plane.events().length === 3);
  const events = world.plane.events();
  assert.deepEqual(world.plane.names(), ['one', 'identify', 'two']);
  assert.deepEqual(events.map((event) => event.context.page.path), ['/', '/next', '/next']);
  assert.ok(Math.abs(Date.parse(events[0].originalTimestamp) - before) < 50);
  assert.deepEqual(events.map((event) => event.context.mine), [undefined, 1, 1]);
});

test('blocked: nothing for the destination of the page, events leave with the consent they were given; when it is back, all is made up for', async () => {
  let isBlocked = true;
  world.plane.config = sourceConfig([OWN]);
  const html = world.snippet(ADD + "rudderanalytics.track('one');" + READY, { options: CONSENT });
  const { page } = await open(html, (route) => (isBlocked ? route.abort() : route.continue()));
  await until(() => world.plane.names().includes('one'));
  await page.waitForFunction('window.isReady');
  const { allowedConsentIds, deniedConsentIds, provider } = world.plane.events()[0].context.consentManagement;
  assert.deepEqual([allowedConsentIds, deniedConsentIds, provider], [['C1'], ['C2'], 'custom']);
  assert.deepEqual(await page.evaluate('got'), []);
  assert.equal(page.consoleLines.filter((line) => line.includes('not available')).length, 1);
  isBlocked = false;
  await page.waitForFunction('got.length');
  assert.deepEqual(await page.evaluate('got'), ['one']);
  assert.deepEqual(page.problems, []);
});

test('its address has the mark of the build, so that a cached one of another build is not used', async () => {
  const { page, asked } = await open(world.snippet(READY, { options: CONSENT }));
  await page.waitForFunction('window.isReady');
  const [, mark] = asked.map((url) => new URL(url).search);
  assert.match(mark, /^\?[\w-]{4}$/);
  assert.ok((await (await fetch(world.plane.url + '/lib/sp.more.min.js')).text()).includes(`"${mark.slice(1)}"`));
});

test('of another build (after an update, out of a cache) it is not taken in: an error, and the page goes on without it', async () => {
  world.plane.config = sourceConfig([OWN]);
  const other = async (route) => {
    const body = await (await fetch(world.plane.url + '/lib/sp.more.min.js')).text();
    await route.fulfill({ contentType: 'text/javascript', body: body.replace(new URL(route.request().url()).search.slice(1), 'othr') });
  };
  const { page } = await open(world.snippet(ADD + "rudderanalytics.track('one');" + READY, { options: CONSENT }), other);
  await until(() => world.plane.names().includes('one'));
  await page.waitForFunction('window.isReady');
  assert.deepEqual(await page.evaluate('got'), []);
  assert.equal(page.consoleLines.filter((line) => line.includes('not available')).length, 1);
  assert.deepEqual(page.problems, []);
});

/** What the getters answer in the moment in which our script has run, in `window.said`: the second file cannot be here yet. */
const SAY = `document.addEventListener('load', function (event) { if (event.target.dataset.loader) window.said = [rudderanalytics.getAnonymousId(),
  rudderanalytics.getUserId(), rudderanalytics.getUserTraits(), rudderanalytics.getGroupId(), rudderanalytics.getGroupTraits(), rudderanalytics.getSessionId()]; }, true);`;
const said = async (page) => page.waitForFunction('window.said').then(() => page.evaluate('said'));

for (const [title, options, isKnown] of [
  ['consent', CONSENT, true],
  ['an anonymousId that may be elsewhere, and is not guessed', { externalAnonymousIdCookieName: 'mine' }, false],
]) {
  test('while it is on its way the getters answer from the storage: ' + title, async () => {
    const context = await world.browser.visitor();
    const first = await world.show('/first', world.snippet("rudderanalytics.identify('A', {n: 1}); rudderanalytics.group('G', {m: 2});" + READY), context);
    await first.waitForFunction('window.isReady');
    const [id, session] = await first.evaluate('[rudderanalytics.getAnonymousId(), rudderanalytics.getSessionId()]');
    await first.close();
    await context.route(/sp\.more/, (route) => route.abort());
    const page = await world.show('/second', world.snippet(SAY, { options }), context);
    assert.deepEqual(await said(page), [isKnown ? id : undefined, 'A', { n: 1 }, 'G', { m: 2 }, session]);
  });
}

test('while it is on its way somebody new has the anonymousId of their events', async () => {
  const { page } = await open(world.snippet(SAY + "rudderanalytics.track('one');", { options: CONSENT }));
  const [id] = await said(page);
  await until(() => world.plane.names().includes('one'));
  assert.equal(world.plane.events()[0].anonymousId, id);
});

test('before consent nothing of the storage is told, nor stored', async () => {
  const context = await world.browser.visitor();
  const first = await world.show('/first', world.snippet("rudderanalytics.identify('A');" + READY), context);
  await first.waitForFunction('window.isReady');
  await first.close();
  await context.route(/sp\.more/, (route) => route.abort());
  const options = { consentManagement: { enabled: true, provider: 'custom' }, preConsent: { enabled: true } };
  const page = await world.show('/second', world.snippet(SAY, { options }), context);
  assert.deepEqual((await said(page)).slice(0, 2), [undefined, '']);
});

test('values are those of the call, as with the genuine SDK, however late their turn comes', async () => {
  const calls = `var p = {n: 1, deep: {list: [1]}}, t = {n: 1}, o = {mine: {n: 1}}; SDK.track('one', p, o); SDK.identify('A', t);
    p.n = t.n = o.mine.n = 2; p.deep.list.push(2); `;
  const values = () => world.plane.events().map(({ properties, context }) => [properties, context.mine, context.traits]);
  await world.show('/v3', world.genuine('v3', calls.replaceAll('SDK', 'ra')));
  await until(() => world.plane.events().length === 2);
  const theirs = values();
  world.plane.requests.length = 0;
  let release;
  const { page } = await open(world.snippet(READY), (route) => (release = () => route.continue()));
  await page.waitForFunction('window.rudderanalytics.getAnonymousId');
  // A call that asks for the second file.
  await page.evaluate('rudderanalytics.clearCustomContext();' + calls.replaceAll('SDK', 'rudderanalytics'));
  await until(() => release);
  release();
  await until(() => world.plane.events().length === 2);
  assert.deepEqual(values(), theirs);
  assert.deepEqual(theirs[0].slice(0, 2), [{ n: 1, deep: { list: [1] } }, { n: 1 }]);
});
