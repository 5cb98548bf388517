// The table of cases that the server's cleaning of traits is tested with, too.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { build } from 'esbuild';

globalThis.window = globalThis;
const built = await build({ entryPoints: [new URL('../src/pendo/clean.ts', import.meta.url).pathname], bundle: true, write: false, format: 'esm' });
const { cleanTraits } = await import('data:text/javascript;base64,' + Buffer.from(built.outputFiles[0].text).toString('base64'));
const cases = JSON.parse(readFileSync(new URL('../../tests/data/traits.json', import.meta.url)));

for (const { name, settings, traits, values } of cases) {
  test(name, () => assert.deepEqual(cleanTraits(traits, settings), values));
}
