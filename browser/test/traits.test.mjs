// The table of cases that the server's cleaning of traits is tested with, too.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadCleanTraits } from './support/clean.mjs';

const cleanTraits = await loadCleanTraits();
const cases = JSON.parse(readFileSync(new URL('../../tests/data/traits.json', import.meta.url)));

for (const { name, settings, traits, values } of cases) {
  test(name, () => assert.deepEqual(cleanTraits(traits, settings), values));
}
