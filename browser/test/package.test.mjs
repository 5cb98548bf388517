// The package: imported where there is no page, as by a site that renders on its server, and in a page.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const DIRECTORY = new URL('..', import.meta.url);

for (const name of ['@rudderstack/analytics-js', '@sternpost/browser']) {
  test('imported where there is no page: ' + name, () => {
    const script = `import { RudderAnalytics } from '${name}'; console.log(typeof RudderAnalytics);`;
    assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: DIRECTORY, encoding: 'utf8' }), 'function\n');
  });
}

for (const resolution of ['nodenext', 'bundler']) {
  test('its types, as a project finds them that resolves modules by: ' + resolution, () => {
    const folder = mkdtempSync(join(tmpdir(), 'typed-'));
    try {
      mkdirSync(join(folder, 'node_modules/@sternpost'), { recursive: true });
      symlinkSync(fileURLToPath(DIRECTORY), join(folder, 'node_modules/@sternpost/browser'));
      writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
      writeFileSync(
        join(folder, 'shop.ts'),
        `import { RudderAnalytics, type Properties } from '@sternpost/browser';
        const traits: Properties = { plan: 'pro' };
        const analytics = new RudderAnalytics();
        analytics.load('wk', 'https://events.example.com', { logLevel: 'ERROR' });
        analytics.identify('u', traits);
        // @ts-expect-error: there is no such call
        analytics.trak('Order Completed');
        `,
      );
      const options = ['--noEmit', '--strict', '--target', 'es2020', '--lib', 'es2020,dom', '--module', resolution === 'bundler' ? 'esnext' : resolution, '--moduleResolution', resolution];
      const { stdout, status } = spawnSync(fileURLToPath(new URL('node_modules/.bin/tsc', DIRECTORY)), [...options, 'shop.ts'], { cwd: folder, encoding: 'utf8' });
      assert.equal(stdout, '');
      assert.equal(status, 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test('in a page: one object, the calls, and all of it in one file', async () => {
  const options = { consentManagement: { enabled: true, provider: 'custom', allowedConsentIds: ['C1'], deniedConsentIds: [] } };
  const page = await world.show('/', `<!doctype html><title>t</title><script type="module">import { RudderAnalytics } from '${world.plane.url}/module.js';
    const analytics = new RudderAnalytics();
    window.isOne = new RudderAnalytics() === analytics && window.rudderanalytics === analytics;
    analytics.setCustomContext({ own: 1 });
    analytics.load('wk-web', '${world.plane.url}', ${JSON.stringify(options)});
    analytics.identify('A', { n: 1 });
    analytics.ready(() => { window.isReady = true; });</script>`);
  await page.waitForFunction('window.isReady');
  await until(() => world.plane.events().length === 1);
  const [{ userId, context }] = world.plane.events();
  assert.deepEqual([userId, context.traits, context.own, context.app.installType], ['A', { n: 1 }, 1, 'npm']);
  assert.deepEqual(context.consentManagement.allowedConsentIds, ['C1']);
  assert.equal(await page.evaluate('isOne'), true);
  assert.equal(await page.evaluate("document.querySelectorAll('script[src]').length"), 0);
  assert.deepEqual(page.problems, []);
});
