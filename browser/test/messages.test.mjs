// The same calls through our SDK and through RudderStack's own (v3): every message must be the same, field by field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/server.mjs';
import { useWorld } from './support/world.mjs';

const world = useWorld();

/** Each scenario: the calls of one page; a function in a call is written as {fn: true} and records what it gets. */
const OPTIONS = {
  key1: [1, 2, 3, 4], key2: 'text', key3: false, key5: { key7: [{ color: '#345', name: null }] }, key8: null,
  device: { id: 'd' }, library: { name: 'Random', version: '2' }, context: { metaData: { appId: 'x' } },
  integrations: { All: false, 'Google Analytics': true }, anonymousId: 'sample anonymousId',
  originalTimestamp: '2023-01-13T08:13:58.548Z', channel: 'random', traits: { plan: 'Gold' },
};
const TRAITS = { name: 'John', address: [{ city: 'Austin', zip: 1 }, { city: 'Houston' }], deep: { a: { b: null } }, list: [1, null, 2] };
const PROPS = { order: 'x', products: [], revenue: 30, paid: true, nothing: null, sizes: ['S', 'M'], obj: { a: { b: 1 }, big: 3456789009876543 } };
const fn = { fn: true };
const SCENARIOS = {
  'identify: all forms': [
    ['identify', 'u1', TRAITS, OPTIONS, fn], ['identify', 'u1', { more: 1, list: [9] }, fn], ['identify', 'u1', fn], ['identify', 'u1'],
    ['identify', { onlyTraits: 1 }, OPTIONS, fn], ['identify', { onlyTraits: 2 }, fn], ['identify', { onlyTraits: 3 }],
    ['identify', 42], ['identify', null, { ends: 'in context' }], ['identify', 'u2', { b: 1 }], ['identify', '', { c: 1 }], ['identify', 'u1', null, OPTIONS],
    ['identify', 'u1', { a: 1 }, null], ['track', 'after'],
  ],
  'group: all forms': [
    ['group', 'g1', TRAITS, OPTIONS, fn], ['group', 'g1', { more: 1 }, fn], ['group', 'g1', fn], ['group', { only: 1 }], ['group', { only: 1 }, OPTIONS, fn],
    ['group', 7, { n: 1 }], ['group', null, { ends: 'in context' }], ['group', '', { x: 1 }], ['group', 'g2', { y: [1, 2, 3] }], ['group', 'g2', { y: [9] }],
    ['identify', 'u', { t: 1 }], ['group', 'g3'],
  ],
  'track: all forms': [
    ['track', 'e', PROPS, OPTIONS, fn], ['track', 'e', PROPS, fn], ['track', 'e', fn], ['track', 'e'], ['track', 'e', null], ['track', 'e', null, OPTIONS], ['track', 'e', {}, null],
    ['track', ''], ['track', 'e', fn, { ignored: 1 }],
  ],
  'page: all forms': [
    ['page', 'Cart', 'Cart Item', PROPS, OPTIONS, fn], ['page', 'Cart', 'Cart Item', PROPS, fn], ['page', 'Cart', 'Cart Item', fn], ['page', 'Cart', 'Cart Item'], ['page', 'alone'], ['page', 'alone', fn],
    ['page', 'name', PROPS], ['page', 'name', PROPS, OPTIONS, fn], ['page', PROPS], ['page', PROPS, OPTIONS, fn], ['page'], ['page', fn], ['page', null, 'Cart Item'],
    ['page', 'Cart', 'Item', null, OPTIONS], ['page', { name: 'n', category: 'c', path: '/p', referrer: 'https://r.example/', url: 'https://x.example/p', title: 'T', search: '?s', tab_url: 'tab' }],
    ['page', 'c', 'n', { name: 'other', category: 'other', initial_referrer: 'i', initial_referring_domain: 'd', referring_domain: 'rd' }],
    ['page', 'c', 'n', {}, { page: { path: '/from-options', title: 'o' } }],
  ],
  'alias: all forms': [
    ['alias', 'new', 'old', OPTIONS, fn], ['alias', 'new', 'old', fn], ['alias', 'new', fn], ['alias', 'new'], ['alias', 'new', OPTIONS, fn], ['alias', 'new', null, OPTIONS], ['alias', 7, 8],
    ['identify', 'u'], ['alias', 'newer'],
  ],
  'state: reset, sessions, anonymous ids': [
    ['track', 'a'], ['track', 'b'], ['identify', 'u', { a: 1 }], ['group', 'g', { b: 1 }], ['reset'], ['track', 'c'], ['identify', 'u'], ['reset', { entries: { userId: false, sessionInfo: false, nothing: true, groupId: 'x' } }],
    ['track', 'd'], ['setAnonymousId', 'mine'], ['track', 'e'], ['startSession', 1234567890123], ['track', 'f'], ['track', 'g'], ['endSession'], ['track', 'h'], ['startSession', 5],
  ],
  'context: custom': [
    ['setCustomContext', { a: { b: 1, c: 2 }, library: { x: 1 }, userAgent: 'no' }], ['track', 'a'], ['setCustomContext', { a: { b: 5 } }], ['track', 'b', {}, { a: { d: 1 } }], ['clearCustomContext'], ['track', 'c'],
    ['setCustomContext', 'text'], ['track', 'd'],
  ],
};

/** What cannot be equal, or is meant to differ. */
const plain = (event) => {
  const copy = structuredClone(event);
  delete copy.messageId;
  delete copy.sentAt;
  if (!copy.originalTimestamp.startsWith('2023')) delete copy.originalTimestamp;
  for (const name of ['app', 'library']) {
    delete copy.context[name].version;
    delete copy.context[name].variant;
    delete copy.context[name].installType;
    delete copy.context[name].snippetVersion;
  }
  const session = copy.context.sessionId;
  copy.context.sessionId = session === 1234567890123 ? session : typeof session;
  for (const holder of [copy.context.page, copy.type === 'page' ? copy.properties : {}]) {
    for (const key of ['url', 'tab_url', 'path', 'title']) if (/\/(ours|v3)/.test(holder[key])) holder[key] = 'page';
  }
  return copy;
};

const script = (calls) => `window.seen = [];
  ${JSON.stringify(calls)}.forEach(function (call, index) {
    var given = call.slice(1).map(function (one) {
      return one && one.fn ? function (event) { window.seen.push([index, JSON.parse(JSON.stringify(event))]); } : one === 'UNDEFINED' ? undefined : one;
    });
    var sdk = window.rudderanalytics;
    sdk[call[0]].apply(sdk, given);
  });
  window.rudderanalytics.ready(function () { window.isReady = true; });`;

/** One page with one SDK: what was sent in the order it was made, and what the callbacks got. */
const run = async (which, calls) => {
  await world.plane.reset();
  const html = which === 'ours'
    ? world.snippet('', { head: '' }).replace('</body>', `<script>window.go = function () { ${script(calls)} };</script></body>`)
    : world.genuine('v3', `window.go = function () { ${script(calls)} };`);
  const page = await world.show('/' + which, html);
  await page.waitForFunction('window.rudderanalytics && window.rudderanalytics.getAnonymousId && window.rudderanalytics.getAnonymousId()');
  await page.evaluate('go()');
  await page.waitForFunction('window.isReady');
  const expected = calls.filter(([name]) => ['identify', 'group', 'track', 'page', 'alias'].includes(name)).length;
  await until(() => world.plane.events().length >= expected, 8000, () => JSON.stringify(page.consoleLines));
  const events = world.plane.events().sort((a, b) => a.sentAt < b.sentAt ? -1 : a.sentAt > b.sentAt ? 1 : 0);
  const result = { events, seen: await page.evaluate('window.seen'), problems: page.problems };
  await page.context().close();
  return result;
};

const normal = (result) => {
  const id = (event) => JSON.parse(JSON.stringify(event).replace(/"anonymousId":"[\da-f]{8}-[\da-f-]{27}"/g, '"anonymousId":"A UUID"')
    .replace(/"previousId":"[\da-f]{8}-[\da-f-]{27}"/g, '"previousId":"A UUID"'));
  return { seen: result.seen.map(([index, event]) => [index, plain(id(event))]), events: result.events.map((event) => plain(id(event))) };
};

for (const [name, calls] of Object.entries(SCENARIOS)) {
  test(name, async () => {
    const ours = await run('ours', calls);
    const theirs = await run('v3', calls);
    assert.deepEqual(ours.problems, []);
    const [a, b] = [normal(ours), normal(theirs)];
    assert.deepEqual(a.seen, b.seen);
    // v3 posts each event by itself and in no order.
    const sorted = (events) => events.map((event) => JSON.stringify(event, Object.keys(flat(event)).sort())).sort();
    assert.deepEqual(sorted(a.events).map((text) => JSON.parse(text)), sorted(b.events).map((text) => JSON.parse(text)));
    world.browser.assertLocal();
  });
}

/** All keys at any depth, for a stable order. */
const flat = (value, keys = {}) => {
  if (value && typeof value === 'object') {
    for (const [key, entry] of Object.entries(value)) {
      keys[key] = 1;
      flat(entry, keys);
    }
  }
  return keys;
};
