// What a site may do to us: a strict Content-Security-Policy, hosts by region, blockers, options of its own.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { APP_KEY, genuineAgent, startSandbox } from './support/sandbox.mjs';
import { pendoDestination, sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

let sandbox;
let genuine;
const world = useWorld({
  once: async () => {
    sandbox = await startSandbox();
    genuine = await genuineAgent(sandbox.url);
  },
});
after(() => sandbox.close());

const prepare = async (config = {}) => {
  await world.browser.closePages();
  await sandbox.reset();
  await world.plane.reset();
  world.site.headers = {};
  world.browser.foreign.length = 0;
  world.plane.files[`/agent/static/${APP_KEY}/pendo.js`] = () => genuine;
  world.plane.config = sourceConfig([pendoDestination({ region: 'custom', hosts: { data: sandbox.url, content: world.plane.url }, ...config })]);
};

const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const CALLS = "rudderanalytics.identify('A', {n: 1}); rudderanalytics.track('t');";
const VIOLATIONS = 'window.violations = []; document.addEventListener("securitypolicyviolation", function (e) { violations.push([e.violatedDirective, e.blockedURI]); });';

for (const agent of ['our server only', 'the agent too']) {
  test(`a strict policy that allows ${agent}: nothing is violated, every script carries the nonce`, async () => {
    await prepare(agent === 'the agent too' ? {} : { connectionMode: 'cloud' });
    if (agent !== 'the agent too') world.plane.config = sourceConfig([]);
    const nonce = 'n0nce';
    const pendo = agent === 'the agent too' ? ' ' + sandbox.url : '';
    world.site.headers = {
      'content-security-policy': `default-src 'none'; script-src 'nonce-${nonce}'; connect-src ${world.plane.url}${pendo}; img-src ${pendo.trim() || "'none'"}; report-uri /report`,
    };
    const html = world.snippet(CALLS + READY).replaceAll('<script', `<script nonce="${nonce}"`);
    const page = await world.show('/csp', html.replace('<head>', `<head><script nonce="${nonce}">${VIOLATIONS}</script>`));
    // Playwright's own waiting is an eval that the policy refuses.
    await until(() => page.evaluate('window.isReady'), 15000);
    await until(() => world.plane.names().includes('t'));
    if (pendo) {
      await until(() => page.evaluate('pendo.isReady && pendo.isReady()'));
      await until(async () => {
        await page.evaluate('pendo.flushNow()');
        return (await sandbox.events('track')).length;
      });
      const script = `document.querySelector('script[src*="/agent/static/"]')`;
      assert.equal(await page.evaluate(`${script}.nonce`), nonce);
      // A nonce is not to be read by styles: it must not be an attribute with its value.
      assert.ok(!(await page.evaluate(`${script}.getAttribute('nonce')`)));
    }
    const ours = (await page.evaluate('violations')).filter(([, uri]) => uri.startsWith(world.plane.url) || uri === 'eval' || uri === 'inline' && !pendo);
    assert.deepEqual(ours, []);
    assert.deepEqual(page.problems, []);
    world.browser.assertLocal();
  });
}

const CDN = {
  us: ['https://cdn.pendo.io', 'https://data.pendo.io'],
  us1: ['https://us1.cdn.pendo.io', 'https://us1.data.pendo.io'],
  eu: ['https://cdn.eu.pendo.io', 'https://data.eu.pendo.io'],
  jp: ['https://cdn.jpn.pendo.io', 'https://data.jpn.pendo.io'],
  au: ['https://cdn.au.pendo.io', 'https://data.au.pendo.io'],
  custom: ['https://content.example.com', 'https://data.example.com'],
};

/** Options of `initialize` as the page hands them over; a host that cannot be reached costs nothing but this. */
const handedOver = async (config, options = {}, calls = "rudderanalytics.identify('A', {n: 1});") => {
  await prepare(config);
  const page = await world.show('/region', world.snippet(calls, { options }));
  await page.waitForFunction("window.pendo && pendo._q && pendo._q.length && document.querySelector('script[src*=\"/agent/static/\"]')");
  return page.evaluate("JSON.parse(JSON.stringify({ src: document.querySelector('script[src*=\"/agent/static/\"]').src, options: pendo._q.find(function (c) { return c[0] === 'initialize'; })[1] }))");
};

for (const [region, [content, data]] of Object.entries(CDN)) {
  test(`region ${region}: where the script comes from and where the agent sends to`, async () => {
    const { src, options } = await handedOver({ region, hosts: region === 'custom' ? { content, data } : {} });
    assert.equal(src, `${content}/agent/static/${APP_KEY}/pendo.js`);
    assert.equal(options.dataHost, data);
    // Only what the region is for was asked, besides ourselves.
    assert.deepEqual(world.browser.foreign.filter((url) => !url.startsWith(content)), []);
  });
}

test('options of the agent: from the workspace, from load(), which wins, and signed metadata as it is', async () => {
  const jwt = 'header.payload.signature';
  const { options } = await handedOver(
    { region: 'eu', agentOptions: { disableGuides: true, cookieDomain: '.shop.example', sanitizeUrl: null }, hosts: {} },
    { integrations: { All: true, Pendo: { agentOptions: { cookieDomain: '.mine.example', excludeAllText: true, jwt, signingKeyName: 'key-1' } } } },
  );
  assert.deepEqual(options, {
    dataHost: 'https://data.eu.pendo.io', disableGuides: true, sanitizeUrl: null, cookieDomain: '.mine.example', excludeAllText: true,
    jwt, signingKeyName: 'key-1', visitor: { n: 1, id: 'A' }, account: { id: null },
  });
});

test('options of the agent never replace who is there', async () => {
  const { options } = await handedOver({ region: 'eu', hosts: {}, agentOptions: { visitor: { id: 'evil' }, account: { id: 'evil' } } });
  assert.deepEqual([options.visitor, options.account], [{ n: 1, id: 'A' }, { id: null }]);
});

// A new address the agent notices by itself; for what it cannot see, page() tells it.
for (const pageLoad of [true, false]) {
  test('pageLoad: ' + pageLoad, async () => {
    await prepare({ pageLoad });
    const page = await world.show('/spa', world.snippet(CALLS + READY));
    await page.waitForFunction('window.isReady && pendo.isReady && pendo.isReady()');
    await page.evaluate("var loads = 0, own = pendo.pageLoad; pendo.pageLoad = function () { loads++; return own.apply(pendo, arguments); };");
    await page.evaluate("rudderanalytics.page('Next'); rudderanalytics.track('marker');");
    await until(async () => {
      await page.evaluate('pendo.flushNow()');
      return (await sandbox.events('track')).some((one) => one.event === 'marker');
    });
    assert.equal(await page.evaluate('loads'), pageLoad ? 1 : 0);
  });
}

test('a page with blockers: what is foreign fails, /beacon/ fails, the page is whole and the events arrive', async () => {
  await prepare({ region: 'us', hosts: {}, connectionMode: 'hybrid' });
  world.plane.answer = (post) => (post.path.startsWith('/beacon/') ? { drop: true } : 200);
  const page = await world.show('/blocked', world.snippet(CALLS + READY));
  await page.waitForFunction('window.isReady', null, { timeout: 15000 });
  await page.evaluate("rudderanalytics.track('last')");
  await page.goto('about:blank');
  await until(() => world.plane.names().includes('last'));
  // What leaves with the page may be sent again: the server knows it by its messageId.
  assert.deepEqual([...new Map(world.plane.events().map((event) => [event.messageId, event.event || event.type])).values()], ['identify', 't', 'last']);
  assert.deepEqual(world.plane.posts().filter((post) => post.path !== '/v1/batch'), []);
  assert.deepEqual(world.plane.requests.filter((one) => one.path === '/lib/health').map((one) => one.json.state), ['blocked']);
  assert.deepEqual(page.problems, []);
  assert.ok(world.browser.foreign.every((url) => url.startsWith('https://cdn.pendo.io/')), String(world.browser.foreign));
});

test('one global of our own, nothing else', async () => {
  await prepare();
  const page = await world.show('/globals', '<!doctype html><title>x</title><script>window.before = Object.keys(window);</script>' + world.snippet('').replace('<!doctype html>', ''));
  await page.waitForFunction('window.rudderanalytics.getAnonymousId');
  await page.waitForFunction('window.pendo && pendo.isReady && pendo.isReady()');
  const added = await page.evaluate("Object.keys(window).filter(function (key) { return before.indexOf(key) < 0; })");
  // The genuine agent adds its own; the snippet two.
  assert.deepEqual(added.filter((key) => !/pendo/i.test(key)).sort(), ['RudderSnippetVersion', 'before', 'rudderanalytics'].filter((key) => added.includes(key)).sort());
});
