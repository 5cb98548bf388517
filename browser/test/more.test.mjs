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

/** A page whose requests for the second file are answered by `answer(route)`; `asked` lists our scripts. */
const open = async (html, answer = (route) => route.continue()) => {
  const context = await world.browser.visitor();
  const asked = [];
  context.on('request', (request) => /\/lib\/sp/.test(request.url()) && asked.push(new URL(request.url()).pathname));
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
    assert.deepEqual(asked, scripts);
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
