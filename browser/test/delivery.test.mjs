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
