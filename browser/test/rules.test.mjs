// The tables of cases that the server's filters and consent are tested with (tests/rules/test_rules_cases.py), for the page's functions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadSource } from './support/clean.mjs';

const { passesList, isIntegrated } = await loadSource('filters.ts');
const { setConsent, readMetadata, isConsented } = await loadSource('consent.ts');
const { cases } = JSON.parse(readFileSync(new URL('../../tests/data/pipeline.json', import.meta.url)));

const each = (kind, check) => {
  const chosen = cases.filter((one) => one.kind === kind);
  assert.ok(chosen.length > 0, kind);
  for (const { id, input, expect } of chosen) test(id, () => check(input, expect, id));
};

each('client_event_filter', ({ rudderstackConfig, event }, { denied }) => assert.equal(passesList(rudderstackConfig, event), !denied));

// The page keeps to RudderStack's SDK (contract 9.2), which reads these two otherwise than RudderStack's server does.
const OF_THE_SDK = {
  'integrations_object/all-null-nothing': ['Google Analytics', 'Pendo'],
  'integrations_object/all-false-named-string-is-ignored-falls-to-all': ['Pendo'],
};
each('integrations_object', ({ event, destinations }, { deliverTo }, id) => {
  const passed = destinations.filter((name) => isIntegrated(event.integrations || { All: true }, name));
  assert.deepEqual(passed.sort(), OF_THE_SDK[id] || deliverTo);
});

/** As /sourceConfig tells a destination's setting. */
const told = (entries) => ({
  consentManagement: entries.map(({ consents, ...entry }) => ({ ...entry, consents: consents.map((consent) => ({ consent })) })),
});

each('consent_filter', ({ event, destinations }, { deliverTo }) => {
  const { provider, resolutionStrategy, deniedConsentIds: denied = [] } = (event.context || {}).consentManagement || {};
  const entries = destinations.flatMap(({ consent }) => consent);
  const allowed = entries.flatMap(({ consents }) => consents).filter((id) => !denied.includes(id));
  // A page always knows its provider; the events of older SDKs name none, and mean that of the destination.
  const whose = provider || entries[0].provider;
  setConsent({ enabled: true, provider: whose, allowedConsentIds: allowed.concat(denied[0] ? [] : entries[0].consents), deniedConsentIds: denied }, assert.fail, true);
  const strategy = resolutionStrategy || entries[0].resolutionStrategy;
  readMetadata(() => ({ providers: [{ provider: whose, resolutionStrategy: strategy }] }));
  const passed = (configOf) => destinations.filter((one) => isConsented(configOf(one))).map(({ id }) => id);
  assert.deepEqual(passed(({ consent }) => told(consent)), deliverTo);
  assert.deepEqual(passed(({ rudderstackConfig }) => rudderstackConfig), deliverTo);
});

/** What a list holds is what has to be allowed. */
const needs = (provider, config, names) => {
  readMetadata(() => ({ providers: [{ provider, resolutionStrategy: 'and' }] }));
  const allow = (allowed) => setConsent({ enabled: true, provider, allowedConsentIds: allowed, deniedConsentIds: ['other'] }, assert.fail, true);
  allow(names);
  assert.equal(isConsented(config), true);
  allow([]);
  assert.equal(isConsented(config), names.length === 0);
};
each('consent_onetrust_config', ({ rudderstackConfig }, { categories }) => needs('oneTrust', rudderstackConfig, categories));
each('consent_ketch_config', ({ rudderstackConfig }, { purposes }) => needs('ketch', rudderstackConfig, purposes));
each('consent_gcm_config', ({ rudderstackConfig }, { providers }) => {
  assert.deepEqual(providers, {});
  for (const provider of ['oneTrust', 'ketch', 'iubenda', 'custom']) needs(provider, rudderstackConfig, []);
});
