// The calls of RudderStack's own browser suite (identify, track, page, group, alias, event filtering), through our SDK and through the
// genuine v3, in one page each and one after the other, as that suite does it. What the callback gets and what is sent must be equal
// field by field; ids and times are masked, but their shape is checked. Everything else that may differ is listed in BETTER.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceConfig, until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld({
  once: async () => {
    ours = await runAll('ours');
    theirs = await runAll('v3');
  },
});
let ours;
let theirs;

/** Data of the calls: every kind of value, and every key with a meaning of its own. */
const DATA = `
  window.OneTrust = { GetDomainData: function () { return { Groups: ['C1', 'C2', 'C3', 'C4'].map(function (id) { return { CustomGroupId: id }; }) }; } };
  window.OnetrustActiveGroups = ',C1,C3,';
  var TRAITS = { name: 'Ada Lane', title: 'CTO', email: 'ada@example.com', rating: 4.5, born: new Date(Date.UTC(1990, 0, 12)),
    address: [{ city: 'Rome', zip: 1, isHome: true }, { city: 'Oslo', zip: 2, isHome: false }] };
  var GROUP = { groupName: 'Club', employees: 123, isActive: true, none: null, missing: undefined, list: [1, 2, 3], deep: { kind: 'x', kinds: ['a', null] } };
  var PROPERTIES = { revenue: 30, currency: 'EUR', user_actual_id: 12345, isPaid: true, sizes: ['S', 'M'], products: [], deep: { a: { b: 'c' }, big: 3456789009876543 } };
  var PAGE = { initial_referrer: '$direct', initial_referring_domain: '', name: 'Other name', referring_domain: '', tab_url: 'http://shop.example/', path: '/best/1',
    referrer: 'https://search.example/?q=best', search: 'best', title: 'Best', url: 'https://shop.example/best/1', temp: 1, none: null, missing: undefined, list: [1], deep: { kinds: ['a', null] } };
  var OPTIONS = { key1: [1, 2], key2: 'text', key3: false, key4: 9087654, key5: { key6: 'text', key7: [{ color: '#345', name: null }, { color: '#456' }] }, key8: null, key9: undefined,
    externalIds: [{ id: 'x1', type: 'some' }], device: { id: 'd-1' }, library: { name: 'Mine', version: '9' }, context: { metaData: { appId: 'app-1' } },
    integrations: { All: false, 'Google Analytics': true, Amplitude: true }, anonymousId: 'sample anonymousId', originalTimestamp: '2023-01-13T08:13:58.548Z', channel: 'random' };
  var TRAIT_OPTIONS = Object.assign({}, OPTIONS, { traits: { isSubscribed: true, plan: 'Gold', end: '2023-04-13T08:13:58.548Z' } });
  var done;
  window.runCase = function (script) {
    var payload = null;
    done = function (event) { payload = JSON.stringify(event); };
    var sdk = window.rudderanalytics;
    // As that suite calls them: without an object before the dot.
    new Function('reset', 'identify', 'track', 'page', 'group', 'alias', 'setAnonymousId', script)(
      sdk.reset, sdk.identify, sdk.track, sdk.page, sdk.group, sdk.alias, sdk.setAnonymousId);
    return payload;
  };`;

/** What both SDKs are asked, and what the contract says about it (3.1, 3.2, 4.2, 4.3). */
const OWN_OPTIONS = {
  anonymousId: 'sample anonymousId', originalTimestamp: '2023-01-13T08:13:58.548Z', channel: 'web',
  integrations: { All: false, 'Google Analytics': true, Amplitude: true },
};
const ALL = { integrations: { All: true } };
const USER = 'reset(true); identify("user-1", TRAITS); ';
const CASES = [
  ['identify(id, traits, options)', 'reset(true); identify("user-1", TRAITS, OPTIONS, done)', { userId: 'user-1', event: null, properties: null, ...OWN_OPTIONS }],
  ['identify(id, traits)', 'reset(true); identify("user-1", TRAITS, done)', { userId: 'user-1', type: 'identify', ...ALL }],
  ['identify(id, null, options)', 'reset(true); identify("user-1", null, OPTIONS, done)', { userId: 'user-1', ...OWN_OPTIONS }],
  ['identify(id)', 'reset(true); identify("user-1", done)', { userId: 'user-1', ...ALL }],
  ['identify(id, traits, null)', 'reset(true); identify("user-1", TRAITS, null, done)', { userId: 'user-1' }],
  ['identify twice: traits are merged', 'reset(true); identify("user-1", TRAITS, null); identify("user-1", {name: "Zoe", more: 1}, done)', { userId: 'user-1' }],
  ['identify after setAnonymousId', 'reset(true); setAnonymousId("own-anonymous"); identify("user-1", TRAITS, done)', { anonymousId: 'own-anonymous' }],
  ['identify with a text and then a number', 'reset(true); identify("1234567890"); identify(1234567890, done)', { userId: '1234567890' }],
  ['identify(traits, options)', 'reset(true); identify(TRAITS, OPTIONS, done)', { userId: '', ...OWN_OPTIONS }],
  ['identify(traits)', 'reset(true); identify(TRAITS, done)', { userId: '' }],

  ['track(event, properties, options)', 'identify("user-1", TRAITS, null); track("Order done", PROPERTIES, TRAIT_OPTIONS, done)', { userId: 'user-1', event: 'Order done', ...OWN_OPTIONS }],
  ['track(event, properties)', 'identify("user-1", TRAITS, null); track("Order done", PROPERTIES, done)', { userId: 'user-1', event: 'Order done', ...ALL }],
  ['track(event, properties, null)', 'identify("user-1", TRAITS, null); track("Order done", PROPERTIES, null, done)', { event: 'Order done' }],
  ['track(event, null, options)', 'identify("user-1", TRAITS, null); track("Order done", null, TRAIT_OPTIONS, done)', { properties: {}, ...OWN_OPTIONS }],
  ['track(event)', 'track("Order done", done)', { userId: 'user-1', properties: {} }],
  ['track without an identify', 'reset(true); track("Order done", PROPERTIES, done)', { userId: '' }],
  ['track with consent in its context', 'reset(true); track("Order done", PROPERTIES, done)', { type: 'track' }],

  ['page(category, name, properties, options)', 'reset(true); page("Cart", "Item", PAGE, TRAIT_OPTIONS, done)', { category: 'Cart', name: 'Item', event: null, ...OWN_OPTIONS }],
  ['page(category, name, properties)', 'reset(true); page("Cart", "Item", PAGE, done)', { category: 'Cart', name: 'Item' }],
  ['page(category, name, properties, null)', 'reset(true); page("Cart", "Item", PAGE, null, done)', { category: 'Cart', name: 'Item' }],
  ['page(category, name, null, options)', 'reset(true); page("Cart", "Item", null, TRAIT_OPTIONS, done)', { category: 'Cart', name: 'Item', ...OWN_OPTIONS }],
  ['page(category, name)', 'reset(true); page("Cart", "Item", done)', { category: 'Cart', name: 'Item' }],
  ['page(name)', 'reset(true); page("Cart", done)', { name: 'Cart', category: undefined }],
  ['page(undefined, name)', 'reset(true); page(undefined, "Item", done)', { name: 'Item', category: undefined }],
  ['page()', 'reset(true); page(done)', { name: undefined, category: undefined }],
  ['page(name, properties, options)', 'reset(true); page("Cart", PAGE, TRAIT_OPTIONS, done)', { name: 'Cart', ...OWN_OPTIONS }],
  ['page(name, properties)', 'reset(true); page("Cart", PAGE, done)', { name: 'Cart' }],
  ['page(properties, options)', 'reset(true); page(PAGE, TRAIT_OPTIONS, done)', { name: undefined, ...OWN_OPTIONS }],
  ['page(properties)', 'reset(true); page(PAGE, done)', { name: undefined }],

  ['group(id, traits, options)', 'reset(true); group("group-1", GROUP, OPTIONS, done)', { groupId: 'group-1', event: null, properties: null, ...OWN_OPTIONS }],
  ['group(id, traits)', 'reset(true); group("group-1", GROUP, done)', { groupId: 'group-1' }],
  ['group(id, traits, null)', 'reset(true); group("group-1", GROUP, null, done)', { groupId: 'group-1' }],
  ['group(id, null, options)', 'reset(true); group("group-1", null, OPTIONS, done)', { groupId: 'group-1', ...OWN_OPTIONS }],
  ['group(id)', 'reset(true); group("group-1", done)', { groupId: 'group-1' }],
  ['group()', 'reset(true); group(done)', { userId: '', groupId: undefined, traits: {} }, 'the genuine SDK does not call back'],
  ['group(traits, options)', 'reset(true); group(GROUP, OPTIONS, done)', { ...OWN_OPTIONS }],
  ['group(traits)', 'reset(true); group(GROUP, done)', { userId: '' }],

  ['alias(to, from, options)', USER + 'alias("user-2", "user-1", OPTIONS, done)', { userId: 'user-2', previousId: 'user-1', ...OWN_OPTIONS }],
  ['alias(to, from)', USER + 'alias("user-2", "user-1", done)', { userId: 'user-2', previousId: 'user-1' }],
  ['alias(to, from, null)', USER + 'alias("user-2", "user-1", null, done)', { userId: 'user-2', previousId: 'user-1' }],
  ['alias(to) after identify', USER + 'alias("user-2", done)', { userId: 'user-2', previousId: 'user-1' }],
  ['alias(to) of somebody unknown', 'reset(true); setAnonymousId("own-anonymous"); alias("user-2", done)', { previousId: 'own-anonymous' }],
  ['alias(to, options)', USER + 'alias("user-2", OPTIONS, done)', { userId: 'user-2', previousId: 'user-1', ...OWN_OPTIONS }],

  ['event filtering: a listed event', 'reset(true); track("Listed", PROPERTIES, done)', { event: 'Listed' }],
  ['event filtering: a listed event that names other destinations', 'track("Listed", PROPERTIES, TRAIT_OPTIONS, done)', { event: 'Listed', ...OWN_OPTIONS }],
  ['event filtering: the list holds for the page only', 'reset(true); track("Not listed", {deep: {time: 1.5}, events: [{p: {}}]}, done)', { event: 'Not listed' }],
];

/** The contract's deliberate differences (0, 4.1), and nothing else. */
const BETTER = (event) => {
  const { app, library } = event.context;
  assert.equal(app.name, 'RudderLabs JavaScript SDK');
  assert.equal(app.namespace, 'com.rudderlabs.javascript');
  assert.equal(library.name, 'RudderLabs JavaScript SDK');
  // Versions are each product's own; ours says who made the event; the v3 of this test comes from npm.
  for (const key of ['version', 'installType']) delete app[key];
  for (const key of ['version', 'variant', 'snippetVersion']) delete library[key];
};

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Replaces what no two runs can have in common by what shape it has. */
const masked = (event) => {
  const copy = structuredClone(event);
  BETTER(copy);
  const shape = (value, form, name) => (form.test(value) ? name : value);
  copy.messageId = shape(copy.messageId, UUID, 'a uuid');
  for (const key of ['anonymousId', 'previousId']) if (key in copy) copy[key] = shape(copy[key], UUID, 'a uuid');
  if (copy.originalTimestamp !== OWN_OPTIONS.originalTimestamp) copy.originalTimestamp = shape(copy.originalTimestamp, ISO, 'a time');
  copy.sentAt = shape(copy.sentAt, ISO, 'a time');
  copy.context.sessionId = typeof copy.context.sessionId;
  return copy;
};

/** Opens the page of one SDK and runs all cases; what was not called back is null. */
const runAll = async (which) => {
  await world.plane.reset();
  world.plane.config = sourceConfig([
    { id: 'own', enabled: true, destinationDefinition: { name: 'CUSTOM', displayName: 'Custom Device Mode' },
      config: { eventFilteringOption: 'whitelistedEvents', whitelistedEvents: [{ eventName: ' Listed ' }, { eventName: '' }], blacklistedEvents: [] } },
  ]);
  const calls = `rudderanalytics.addCustomIntegration('own', { init: function () {}, isReady: function () { return true; },
      track: function (a, l, p) { (window.handed = window.handed || []).push(p.message.event); } });
    rudderanalytics.ready(function () { window.isReady = true; });`;
  const options = { logLevel: 'NONE', consentManagement: { enabled: true, provider: 'oneTrust' } };
  const html = which === 'ours' ? world.snippet(calls, { options }) : world.genuine('v3', '', options, calls);
  const page = await world.show('/suite', html.replace('<head>', `<head><script>${DATA}</script>`));
  await page.waitForFunction('window.isReady');
  const results = [];
  for (const [, script] of CASES) {
    const payload = JSON.parse((await page.evaluate(`runCase(${JSON.stringify(script)})`)) || 'null');
    results.push({ payload });
  }
  const silent = CASES.filter((_, at) => !results[at].payload).map(([title]) => title);
  assert.deepEqual(silent, which === 'ours' ? [] : CASES.filter((one) => one[3]).map(([title]) => title));
  const sent = () => new Map(world.plane.events().map((event) => [event.messageId, event]));
  const answered = results.filter(({ payload }) => payload);
  await until(() => answered.every(({ payload }) => sent().has(payload.messageId)), 15000);
  for (const result of answered) result.sent = sent().get(result.payload.messageId);
  const handed = await page.evaluate('window.handed');
  assert.deepEqual(page.problems, []);
  world.browser.assertLocal();
  await page.context().close();
  return { results, handed };
};

CASES.forEach(([title, , expected, isOursOnly], at) => {
  test(title, () => {
    const [mine, genuine] = [ours.results[at], theirs.results[at]];
    for (const key of Object.keys(expected)) assert.deepEqual(mine.payload[key], expected[key], key);
    assert.deepEqual(mine.payload.context.consentManagement, {
      deniedConsentIds: ['C2', 'C4'], allowedConsentIds: ['C1', 'C3'], provider: 'oneTrust', resolutionStrategy: 'and',
    });
    if (isOursOnly) return;
    assert.deepEqual(masked(mine.payload), masked(genuine.payload));
    assert.deepEqual(masked(mine.sent), masked(genuine.sent));
  });
});

test('event filtering: the destination in the page gets listed events only', () => {
  assert.deepEqual(ours.handed, theirs.handed);
  assert.deepEqual(ours.handed, ['Listed']);
});
