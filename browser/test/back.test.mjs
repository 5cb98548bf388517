// The back/forward cache: a page that was left and comes back as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld({ backForward: true });
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const FAST = { options: { queueOptions: { minRetryDelay: 100, maxRetryDelay: 400 } } };
const DOWN = { status: 599, drop: true };
const ready = (page) => page.waitForFunction('window.isReady', null, { timeout: 15000 });

/** What the server keeps: each messageId once, in the order of first arrival. */
const kept = () => [...new Map(world.plane.events().map((event) => [event.messageId, event.event || event.type])).values()];

/** Playwright loses sight of a page that comes back, so the page acts by itself: the event tells that it is the same page again. */
const onReturn = (page, name) =>
  page.evaluate(`window.addEventListener('pageshow', function (e) { rudderanalytics.track(e.persisted ? '${name}' : 'a new page'); })`);

test('leaving and coming back loses nothing and keeps nothing twice', async () => {
  const page = await world.show('/one', world.snippet("rudderanalytics.track('first');" + READY, FAST));
  await ready(page);
  await onReturn(page, 'after');
  await until(() => kept().includes('first'));
  world.plane.answer = () => DOWN;
  await page.evaluate("rudderanalytics.track('while down')");
  world.site.pages['/two'] = '<!doctype html><title>two</title><p>two</p>';
  await page.goto(world.site.url + '/two');
  world.plane.answer = () => 200;
  await page.goBack({ waitUntil: 'commit' });
  await until(() => kept().length >= 3, 12000, () => JSON.stringify(kept()));
  assert.deepEqual(kept(), ['first', 'while down', 'after']);
  assert.deepEqual(page.problems, []);
});

// `delayMs`: the end of the last request comes while the page is left behind, or before.
for (const delayMs of [0, 1000]) {
  test(`what another page took over meanwhile is not sent again, its last request refused after ${delayMs} ms`, async () => {
    const page = await world.show('/one', world.snippet(READY, FAST));
    await ready(page);
    await onReturn(page, 'back');
    // Only what another page took over arrives: whatever the first still sends when it is left does not.
    world.plane.answer = ({ headers }) => (headers['rsa-recovered'] ? 200 : { ...DOWN, delayMs });
    await page.evaluate("rudderanalytics.track('waits')");
    world.site.pages['/two'] = world.snippet(READY, FAST);
    await page.goto(world.site.url + '/two');
    await until(() => kept().includes('waits'), 15000);
    world.plane.answer = () => 200;
    await page.goBack({ waitUntil: 'commit' });
    await until(() => kept().includes('back'), 8000, () => JSON.stringify(kept()));
    assert.deepEqual(kept(), ['waits', 'back']);
    assert.equal(world.plane.names().filter((name) => name === 'waits').length, 1);
  });
}
