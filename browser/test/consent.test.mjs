// Consent, filters and the integrations object, in a page with a destination that the page serves itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();
const own = (config = {}) => ({ id: 'own', enabled: true, destinationDefinition: { name: 'CUSTOM', displayName: 'Custom Device Mode' }, config });
const ADD = `window.got = []; rudderanalytics.addCustomIntegration('own', {
  init: function () { window.inited = true; }, isReady: function () { return true; },
  track: function (a, l, p) { got.push(p.message.event); }, identify: function (a, l, p) { got.push(p.message.userId); }});`;
const READY = 'rudderanalytics.ready(function () { window.isReady = true; });';
const NAME = 'Custom Device Mode';

const run = async (config, options, calls = '', context = undefined) => {
  world.plane.config = sourceConfig([own(config)]);
  const page = await world.show('/', world.snippet(ADD + calls + READY, { options }), context);
  await page.waitForFunction('window.isReady');
  return page;
};

for (const [option, expected] of [['disable', ['Allowed', ' Allowed ', 'allowed', 'Other']], ['whitelistedEvents', ['Allowed', ' Allowed ']], ['blacklistedEvents', ['allowed', 'Other']]]) {
  test('event list: ' + option, async () => {
    const list = [{ eventName: ' Allowed ' }, { eventName: '' }, {}];
    const page = await run({ eventFilteringOption: option, whitelistedEvents: list, blacklistedEvents: list }, {},
      "['Allowed', ' Allowed ', 'allowed', 'Other'].forEach(function (e) { rudderanalytics.track(e); });");
    assert.deepEqual(await page.evaluate('got'), expected);
    await until(() => world.plane.events().length === 4);
  });
}

for (const [integrations, gets] of [[{}, true], [{ All: true }, true], [{ All: true, [NAME]: false }, false], [{ All: false }, false], [{ All: false, [NAME]: true }, true], [{ All: false, [NAME]: { a: 1 } }, true], [{ All: true, [NAME.toLowerCase()]: false }, false]]) {
  test('integrations ' + JSON.stringify(integrations), async () => {
    const page = await run({}, { integrations }, "rudderanalytics.track('t');");
    assert.deepEqual(await page.evaluate('got'), gets ? ['t'] : []);
    const event = await run({}, {}, `rudderanalytics.track('t', {}, {integrations: ${JSON.stringify(integrations)}});`);
    assert.deepEqual(await event.evaluate('got'), gets ? ['t'] : []);
  });
}

const CONSENTS = (strategy) => ({ consentManagement: [{ provider: 'custom', resolutionStrategy: strategy, consents: [{ consent: ' C1 ' }, { consent: 'C2' }, { consent: '' }] }] });
for (const [strategy, allowed, gets] of [['and', ['C1', 'C2'], true], ['and', ['C1'], false], ['or', ['C1'], true], ['or', ['C3'], false], [undefined, ['C1'], false]]) {
  test(`consent: ${strategy} ${allowed}`, async () => {
    const page = await run(CONSENTS(strategy), { consentManagement: { enabled: true, provider: 'custom', allowedConsentIds: allowed, deniedConsentIds: ['X'] } }, "rudderanalytics.track('t');");
    assert.deepEqual(await page.evaluate('got'), gets ? ['t'] : []);
    await until(() => world.plane.events().length === 1);
    assert.deepEqual(world.plane.events()[0].context.consentManagement, { deniedConsentIds: ['X'], allowedConsentIds: allowed, provider: 'custom' });
  });
}

test('consent that is withdrawn stops the destination, given again it goes on', async () => {
  const page = await run(CONSENTS('and'), { consentManagement: { enabled: true, provider: 'custom', allowedConsentIds: ['C1', 'C2'] } });
  const say = (ids) => page.evaluate(`rudderanalytics.consent({consentManagement: {allowedConsentIds: ${JSON.stringify(ids)}, deniedConsentIds: []}})`);
  await page.evaluate("rudderanalytics.track('one')");
  await say(['C1']);
  await page.evaluate("rudderanalytics.track('two')");
  await say(['C1', 'C2']);
  await page.evaluate("rudderanalytics.track('three')");
  assert.deepEqual(await page.evaluate('got'), ['one', 'three']);
});

test('before consent: nothing leaves, nothing is stored, one anonymous id; after it the identity is kept', async () => {
  const context = await world.browser.visitor();
  await context.clock.install();
  const page = await run({}, { consentManagement: { enabled: true, provider: 'custom' }, preConsent: { enabled: true, events: { delivery: 'buffer' } } },
    "rudderanalytics.identify('A', {n: 1}); rudderanalytics.track('early');", context);
  assert.equal(await page.evaluate('document.cookie'), '');
  assert.equal(await page.evaluate('JSON.stringify(localStorage)'), '{}');
  // Delivery has begun by then, whatever waits: what was let out would have left before.
  await page.clock.runFor(3000);
  const consentedAt = Date.now();
  await page.evaluate("rudderanalytics.consent({consentManagement: {allowedConsentIds: ['C']}, trackConsent: true, sendPageEvent: true})");
  await page.clock.runFor(1000);
  await until(() => world.plane.events().length === 4);
  for (const post of world.plane.posts()) assert.ok(post.at >= consentedAt);
  assert.deepEqual(world.plane.names(), ['identify', 'early', 'Consent Management Interaction', 'page']);
  assert.equal(new Set(world.plane.events().map((event) => event.anonymousId)).size, 1);
  assert.equal(await page.evaluate('rudderanalytics.getUserId()'), 'A');
  assert.match(await page.evaluate('document.cookie'), /rl_user_id/);
});

// The providers other than custom say by globals of their own what is allowed (contract 9.3).
const PROVIDERS = {
  oneTrust: (allowed) => `window.OnetrustActiveGroups = ',${allowed},'; window.OneTrust = { GetDomainData: function () { return { Groups: ['C1', 'C2'].map(function (id) { return { CustomGroupId: id }; }) }; } };`,
  ketch: (allowed) => `window.ketchConsent = { C1: ${allowed.includes('C1')}, C2: ${allowed.includes('C2')} };`,
  iubenda: (allowed) => `window._iub = { cs: { consent: { purposes: { C1: ${allowed.includes('C1')}, C2: ${allowed.includes('C2')} } } } };`,
};
const consents = [{ consent: 'C1' }, { consent: 'C2' }];
// [provider, allowed, the destination's config, the source's strategy, whether it gets the event]
const CASES = [
  ['oneTrust', ['C1', 'C2'], { consentManagement: [{ provider: 'oneTrust', consents }] }, undefined, true],
  ['oneTrust', ['C1'], { consentManagement: [{ provider: 'oneTrust', consents }] }, undefined, false],
  ['oneTrust', ['C1'], { consentManagement: [{ provider: 'oneTrust', consents }] }, 'or', true],
  ['oneTrust', ['C1'], { consentManagement: [{ provider: 'oneTrust', resolutionStrategy: 'or', consents }] }, 'and', false],
  ['oneTrust', ['C1'], { consentManagement: [{ provider: 'ketch', consents }] }, undefined, true],
  ['oneTrust', [], { consentManagement: [{ provider: 'oneTrust', consents: [{ consent: ' ' }] }] }, undefined, true],
  ['oneTrust', ['C1'], { oneTrustCookieCategories: [{ oneTrustCookieCategory: 'C1' }, { oneTrustCookieCategory: 'C2' }] }, undefined, false],
  ['oneTrust', ['C1'], { oneTrustCookieCategories: [{ oneTrustCookieCategory: 'C1' }, { oneTrustCookieCategory: '' }] }, undefined, true],
  ['ketch', ['C2'], { consentManagement: [{ provider: 'ketch', consents }] }, 'or', true],
  ['ketch', ['C2'], { ketchConsentPurposes: [{ purpose: 'C1' }, { purpose: 'C2' }] }, undefined, true],
  ['ketch', [], { ketchConsentPurposes: [{ purpose: 'C1' }] }, undefined, false],
  ['iubenda', ['C1'], { consentManagement: [{ provider: 'iubenda', resolutionStrategy: 'or', consents }] }, 'and', true],
  ['iubenda', ['C1'], { consentManagement: [{ provider: 'iubenda', consents }] }, 'or', true],
  ['iubenda', ['C1'], { consentManagement: [{ provider: 'iubenda', consents }] }, undefined, false],
];
for (const sdk of ['ours', 'v3']) {
  for (const [provider, allowed, config, strategy, gets] of CASES) {
    test(`${sdk}: ${provider} allows ${allowed}, the source says ${strategy}: ${JSON.stringify(config)}`, async () => {
      world.plane.config = sourceConfig([own(config)]);
      if (strategy) world.plane.config.consentManagementMetadata = { providers: [{ provider, resolutionStrategy: strategy }] };
      const options = { consentManagement: { enabled: true, provider } };
      const calls = "rudderanalytics.track('t');" + READY;
      const html = sdk === 'ours' ? world.snippet(ADD + calls, { options }) : world.genuine('v3', calls, options, ADD);
      const page = await world.show('/' + sdk, html.replace('<head>', `<head><script>${PROVIDERS[provider](allowed)}</script>`));
      await page.waitForFunction('window.isReady');
      assert.deepEqual(await page.evaluate('got'), gets ? ['t'] : []);
      await until(() => world.plane.events().length === 1);
      // The data plane gets the event in any case, with what was said.
      const said = world.plane.events()[0].context.consentManagement;
      assert.deepEqual([said.provider, said.allowedConsentIds, said.deniedConsentIds], [provider, allowed, ['C1', 'C2'].filter((id) => !allowed.includes(id))]);
    });
  }
}
