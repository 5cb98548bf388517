// {our SDK, genuine v3, genuine v2} × {device, hybrid} × {the sandbox's agent, the genuine agent}: one state in the end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP_KEY, genuineAgent, startSandbox } from './support/sandbox.mjs';
import { pendoDestination, sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
let sandbox;
let genuine;

before(async () => {
  sandbox = await startSandbox();
  genuine = await genuineAgent(sandbox.url);
});
after(() => sandbox.close());

const CALLS = `
  sdk.identify('name123', {name: 'Name Surname', first_name: 'Name', last_name: 'Surname', email: 'name@surname.com', createdAt: 'Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)'});
  sdk.group('groupId', {name: 'Company', industry: 'Industry', employees: 123, email: 'abc@xyz.com'});
  sdk.track('test track event', {revenue: 30, currency: 'USD', userId: '12345'});`;

const prepare = async (agent, config) => {
  await sandbox.reset();
  await world.plane.reset();
  const content = agent === 'genuine' ? world.plane.url : sandbox.url;
  if (agent === 'genuine') world.plane.files[`/agent/static/${APP_KEY}/pendo.js`] = () => genuine;
  world.plane.config = sourceConfig([
    pendoDestination({ region: 'custom', hosts: { data: sandbox.url, content }, ...config }),
  ]);
};

const open = async (sdk, calls, context, options = {}) => {
  const body = `var sdk = window.rudderanalytics; ${calls} ; sdk.ready(function () { window.isReady = true; });`;
  const html = sdk === 'ours' ? world.snippet(body, { options }) : world.genuine(sdk, body, options);
  const page = await world.show('/' + sdk, html, context);
  return page;
};

const settled = async (page) => {
  await page.waitForFunction('window.isReady', null, { timeout: 20000 });
  await page.waitForFunction('window.pendo && pendo.isReady && pendo.isReady()');
  await page.evaluate('Promise.resolve(pendo.flushNow()).then(function () {})');
};

for (const agent of ['stub', 'genuine']) {
  for (const mode of ['device', 'hybrid']) {
    for (const sdk of ['ours', 'v3', 'v2']) {
      test(`the documented calls: ${sdk}, ${mode}, ${agent} agent`, async () => {
        await prepare(agent, { connectionMode: mode });
        const page = await open(sdk, CALLS);
        await settled(page);
        let state;
        await until(async () => {
          await page.evaluate('pendo.flushNow()');
          state = await sandbox.state();
          return (state.visitors.name123 || {}).accounts?.length && (mode === 'hybrid' || state.events.some((one) => one.type === 'track'));
        }, 8000, () => JSON.stringify([state, page.consoleLines, page.problems]));
        assert.deepEqual(state.visitors.name123.metadata.agent, {
          name: 'Name Surname', first_name: 'Name', last_name: 'Surname', email: 'name@surname.com', createdat: '2020-03-24T17:46:45.000Z',
        });
        assert.deepEqual(state.visitors.name123.accounts, ['groupId']);
        assert.deepEqual(state.accounts.groupId.metadata.agent, { name: 'Company', industry: 'Industry', employees: 123, email: 'abc@xyz.com' });
        const tracks = state.events.filter((one) => one.type === 'track');
        assert.deepEqual(
          tracks.map((one) => [one.event, one.visitorId, one.accountId, one.properties]),
          mode === 'hybrid' ? [] : [['test track event', 'name123', 'groupId', { revenue: 30, currency: 'USD', userId: '12345' }]],
        );
        // D6: RudderStack's integration sends three meta events, one of them wrong.
        assert.equal(state.events.filter((one) => one.type === 'meta').length, 1);
        await until(() => world.plane.names().includes('test track event'), 8000);
        const health = world.plane.requests.filter((one) => one.path === '/lib/health');
        assert.deepEqual(health.map((one) => [one.query, one.json.destination, one.json.state]), [['?writeKey=wk-web', 'pendo', 'loaded']]);
        assert.deepEqual(page.problems, []);
        world.browser.assertLocal();
        await page.context().close();
      });
    }
  }
}

for (const agent of ['stub', 'genuine']) {
  for (const sdk of ['ours', 'v3']) {
    test(`two users on one browser: ${sdk}, ${agent} agent`, async () => {
      await prepare(agent, { connectionMode: 'device' });
      const page = await open(sdk, "sdk.track('before');");
      await settled(page);
      const run = (calls) => page.evaluate(`(function () { var sdk = window.rudderanalytics; ${calls} })()`);
      const inPendo = (check) => until(async () => {
        await page.evaluate('pendo.flushNow()');
        return check(await sandbox.state());
      });
      const tracked = (name) => inPendo(({ events }) => events.some((one) => one.event === name));
      await run("sdk.identify('ann', {name: 'Ann'}); sdk.group('annacc', {plan: 'pro'}); sdk.track('as ann');");
      await tracked('as ann');
      await run("sdk.reset();");
      await page.waitForFunction("pendo.getVisitorId() !== 'ann'");
      await run("sdk.track('between');");
      await tracked('between');
      await run("sdk.identify('bob', {role: 'x'}); sdk.track('as bob');");
      await tracked('as bob');
      // The page is opened anew with the next user known from the start: what the agent kept must not mix them.
      await run("sdk.group('bobacc', {size: 2});");
      await inPendo(({ accounts }) => accounts.bobacc);
      const later = await open(sdk, "sdk.reset(); sdk.identify('cid', {age: 1}); sdk.track('as cid');", page.context());
      await settled(later);
      let state;
      await until(async () => {
        await later.evaluate('pendo.flushNow()');
        state = await sandbox.state();
        return state.events.some((one) => one.event === 'as cid');
      }, 8000, () => JSON.stringify(state.events));
      const tracks = Object.fromEntries(state.events.filter((one) => one.type === 'track').map((one) => [one.event, [one.visitorId, one.accountId]]));
      assert.deepEqual(tracks['before'], ['ann', null]);
      assert.deepEqual(tracks['as ann'], ['ann', 'annacc']);
      assert.deepEqual(tracks['as bob'], ['bob', null]);
      assert.deepEqual(tracks['as cid'], ['cid', null]);
      assert.equal(tracks['between'][0], 'bob');
      assert.deepEqual(state.visitors.ann.metadata.agent, { name: 'Ann' });
      assert.deepEqual(state.visitors.bob.metadata.agent, { role: 'x' });
      assert.deepEqual(state.visitors.cid.metadata.agent, { age: 1 });
      assert.deepEqual([state.visitors.ann.accounts, state.visitors.bob.accounts, state.visitors.cid.accounts], [['annacc'], ['bobacc'], []]);
      // P3: no event names two known users.
      const asked = JSON.stringify((await sandbox.requests()));
      for (const [one, two] of [['ann', 'bob'], ['bob', 'cid'], ['ann', 'cid']]) {
        assert.ok(!asked.includes(`"old_visitor_id":"${one}","visitor_id":"${two}"`));
      }
      world.browser.assertLocal();
      await page.context().close();
    });
  }
}
