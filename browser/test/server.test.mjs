// The whole way with the real server: {our SDK, genuine v3, genuine v2} in the page, the genuine agent, the sandbox as Pendo.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { APP_KEY, genuineAgent, startSandbox } from './support/sandbox.mjs';
import { until } from './support/server.mjs';
import { SECRETS, startSternpost, workspace } from './support/sternpost.mjs';
import { useWorld } from './support/world.mjs';

let sandbox;
let server;
let genuine;
const world = useWorld({
  once: async () => {
    sandbox = await startSandbox();
    genuine = await genuineAgent(sandbox.url);
  },
});
after(() => {
  sandbox.close();
  if (server) server.close();
});

const settings = (more = {}) => ({ region: 'custom', hosts: { api: sandbox.url, data: sandbox.url, content: world.plane.url }, ratePerSecond: 10000, ...more });

/** A server with nothing in it, and a sandbox likewise. */
const prepare = async (mode, more, parts, builds) => {
  if (server) server.close();
  await sandbox.reset();
  await world.plane.reset();
  world.plane.files[`/agent/static/${APP_KEY}/pendo.js`] = () => genuine;
  server = await startSternpost(workspace(mode, settings(more), parts), builds);
};

const SCRIPT = {
  ours: () => `<script>${STUBS}rudderanalytics.load('wk-web'); </script><script async src="${server.url}/lib/sp.min.js"></script>`,
  v3: () => genuinePage('v3', 'new window.rudderanalytics.RudderAnalytics();'),
  v2: () => genuinePage('v2', ''),
};
const STUBS = `window.rudderanalytics = []; ['load', 'ready', 'page', 'track', 'identify', 'group', 'reset'].forEach(function (m) {
  rudderanalytics[m] = function () { rudderanalytics.push([m].concat([].slice.call(arguments))); }; });`;
const genuinePage = (name, start) => `<script src="${world.plane.url}/${name}.js"></script><script>${start}
  rudderanalytics.load('wk-web', '${server.url}', { configUrl: '${server.url}', destSDKBaseURL: '${server.url}/lib/js-integrations' });</script>`;

const open = async (sdk, calls, context) => {
  const page = await world.show(
    '/' + sdk,
    `<!doctype html><title>shop</title>${SCRIPT[sdk]()}<script>(function (sdk) { ${calls}; sdk.ready(function () { window.isReady = true; }); })(rudderanalytics)</script>`,
    context,
  );
  await page.waitForFunction('window.isReady', null, { timeout: 25000 });
  return page;
};

const run = (page, calls) => page.evaluate(`(function (sdk) { ${calls} })(rudderanalytics)`);

/** What Pendo has in the end: visitors, accounts, tracks. */
const inPendo = async () => {
  const { visitors, accounts, events } = await sandbox.state();
  const tracks = events.filter((one) => one.type === 'track').map((one) => [one.event, one.visitorId, one.accountId, one.properties]);
  return { visitors, accounts, tracks };
};

/** Waits until the server holds so many events, none of which waits, and Pendo has that track event. */
const settled = async (page, count, track) => {
  let fates;
  let found;
  await until(async () => {
    await page.evaluate('window.pendo && pendo.flushNow && pendo.flushNow()');
    fates = await server.fates();
    found = await inPendo();
    const isDone = fates.length >= count && fates.every(([, state]) => ['delivered', 'skipped', 'rejected'].includes(state));
    return isDone && found.tracks.some(([name]) => name === track);
  }, 20000, () => JSON.stringify([fates, found, page.consoleLines, page.problems]));
  return { fates, found };
};

const CALLS = `
  sdk.identify('name123', {name: 'Name Surname', first_name: 'Name', last_name: 'Surname', email: 'name@surname.com', createdAt: 'Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)'});
  sdk.group('groupId', {name: 'Company', industry: 'Industry', employees: 123, email: 'abc@xyz.com'});
  sdk.track('test track event', {revenue: 30, currency: 'USD', userId: '12345'});`;

const DOCUMENTED = {
  visitors: {
    name123: {
      metadata: { agent: { name: 'Name Surname', first_name: 'Name', last_name: 'Surname', email: 'name@surname.com', createdat: '2020-03-24T17:46:45.000Z' } },
      accounts: ['groupId'],
    },
  },
  accounts: { groupId: { metadata: { agent: { name: 'Company', industry: 'Industry', employees: 123, email: 'abc@xyz.com' } } } },
  tracks: [['test track event', 'name123', 'groupId', { revenue: 30, currency: 'USD', userId: '12345' }]],
};

for (const mode of ['device', 'hybrid']) {
  for (const sdk of ['ours', 'v3', 'v2']) {
    test(`the documented calls: ${sdk}, ${mode}: one state in Pendo, each event with its fate, nothing twice`, async () => {
      await prepare(mode);
      const page = await open(sdk, CALLS);
      const { fates, found } = await settled(page, 3, 'test track event');
      const mine = { ...found, visitors: { name123: metadataOf(found.visitors.name123) }, accounts: { groupId: metadataOf(found.accounts.groupId) } };
      assert.deepEqual(mine, DOCUMENTED);
      assert.deepEqual(Object.keys(found.visitors).concat(Object.keys(found.accounts)), ['name123', 'groupId']);
      // v3 and v2 post each event by itself, in no order.
      const expected = mode === 'device' ? ['skipped', 'sent_by_browser'] : ['delivered', null];
      assert.deepEqual(fates.map(([name]) => name).sort(), ['group', 'identify', 'test track event']);
      for (const [name, state, reason] of fates) assert.deepEqual([state, reason || null], expected, name);
      const fromServer = (await sandbox.requests()).filter((one) => /^\/(api\/v1\/metadata|data\/track)/.test(one.path));
      if (mode === 'device') assert.deepEqual(fromServer, []);
      assert.deepEqual(page.problems, []);
      world.browser.assertLocal();
      await page.context().close();
    });
  }
}

const metadataOf = (one) => (one && 'accounts' in one ? { metadata: { agent: one.metadata.agent }, accounts: one.accounts } : one && { metadata: { agent: one.metadata.agent } });

for (const mode of ['device', 'hybrid']) {
  for (const sdk of ['ours', 'v3']) {
    test(`from unknown to known, logout, another user: ${sdk}, ${mode}`, async () => {
      await prepare(mode);
      const page = await open(sdk, "sdk.track('as nobody');");
      await run(page, "sdk.identify('ann', {name: 'Ann'}); sdk.group('ann-acc', {plan: 'pro'}); sdk.track('as ann');");
      await settled(page, 4, 'as ann');
      await run(page, 'sdk.reset();');
      await run(page, "sdk.identify('bob', {role: 'x'}); sdk.track('as bob');");
      const { found } = await settled(page, 6, 'as bob');
      const owners = Object.fromEntries(found.tracks.map(([name, visitor, account]) => [name, [visitor, account]]));
      // The history of before the first identify is that user's.
      assert.equal(owners['as nobody'][0], 'ann');
      assert.deepEqual(owners['as ann'], ['ann', 'ann-acc']);
      assert.deepEqual(owners['as bob'], ['bob', null]);
      assert.deepEqual(found.visitors.ann.metadata.agent, { name: 'Ann' });
      assert.deepEqual(found.visitors.bob.metadata.agent, { role: 'x' });
      assert.deepEqual([found.visitors.ann.accounts, found.visitors.bob.accounts], [['ann-acc'], []]);
      assert.equal(found.tracks.length, 3);
      world.browser.assertLocal();
      await page.context().close();
    });
  }
}

for (const sdk of ['ours', 'v3']) {
  test(`a blocked agent: ${sdk}, hybrid: no event is lost, and the destination's page says so`, async () => {
    await prepare('hybrid', { hosts: { api: sandbox.url, data: sandbox.url, content: 'http://127.0.0.1:9' } });
    const page = await open(sdk, CALLS);
    const { found } = await settled(page, 3, 'test track event');
    assert.deepEqual(found.tracks, DOCUMENTED.tracks);
    assert.deepEqual(metadataOf(found.visitors.name123), DOCUMENTED.visitors.name123);
    assert.deepEqual(metadataOf(found.accounts.groupId), DOCUMENTED.accounts.groupId);
    assert.deepEqual(page.problems, []);
    await page.context().close();
    // The console, as its owner sees it.
    const owner = await world.browser.open(await world.browser.visitor(), /http:\S+\/console\/setup\/\S+/.exec(server.said())[0]);
    await owner.click('form button');
    await owner.waitForURL(server.url + '/console/');
    await owner.goto(server.url + '/console/destinations/pendo');
    assert.match(await owner.textContent('section[aria-labelledby=agent] table'), new RegExp(world.site.url + '\\s*blocked'));
    await owner.context().close();
  });
}

test('a disabled source and an unknown write key: the page stays whole, nothing is accepted', async () => {
  await prepare('device');
  for (const key of ['wk-off', 'wk-nobody']) {
    const html = `<!doctype html><title>x</title>${SCRIPT.ours().replace('wk-web', key)}<script>rudderanalytics.track('never');</script>`;
    const page = await world.show('/' + key, html);
    await page.waitForFunction('window.rudderanalytics.getAnonymousId');
    await until(() => page.consoleLines.length > 0, 8000);
    if (key === 'wk-off') await until(() => page.consoleLines.join().includes('disabled'), 8000);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
  assert.deepEqual(await server.fates(), []);
});

test('a page with the first file of the build before an update has that build\'s second file', async () => {
  const built = (name) => readFileSync(new URL('../../src/sternpost/static/lib/' + name, import.meta.url), 'utf8');
  const [, mark] = /build (\S+)\n$/.exec(built('sp.more.min.js'));
  const former = (name) => built(name).replaceAll(mark, 'frmr');
  await prepare('device', {}, undefined, { frmr: former('sp.more.min.js') });
  const context = await world.browser.visitor();
  // As a browser's cache would.
  await context.route('**/lib/sp.min.js', (route) => route.fulfill({ contentType: 'text/javascript', body: former('sp.min.js') }));
  const asked = [];
  context.on('response', (response) => /sp\.more/.test(response.url()) && asked.push([new URL(response.url()).search, response.status()]));
  const page = await open('ours', '', context);
  await run(page, "sdk.setCustomContext({shop: 1}); sdk.track('t');");
  await until(async () => (await server.fates()).length === 1);
  const { events } = await server.api('events?limit=1');
  assert.equal(events[0].event.context.shop, 1);
  assert.deepEqual(asked, [['?frmr', 200]]);
  assert.deepEqual(page.problems, []);
});

test('sourceConfig: a changed workspace is seen within a second; secrets and cloud connections never', async () => {
  await prepare('device');
  const ask = async () => (await fetch(server.url + '/sourceConfig/?writeKey=wk-web', { headers: { authorization: 'Basic ' + btoa('wk-web:') } })).text();
  const before = await ask();
  assert.equal(JSON.parse(before).source.destinations.length, 1);
  for (const secret of Object.values(SECRETS)) assert.ok(!before.includes(secret));
  server.write(workspace('cloud', settings()));
  await until(async () => JSON.parse(await ask()).source.destinations.length === 0);
  server.write(workspace('hybrid', settings({ pageLoad: true })));
  await until(async () => JSON.parse(await ask()).source.destinations[0]?.config.pageLoad === true);
});
