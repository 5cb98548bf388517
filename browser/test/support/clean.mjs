// The integration's cleaning of traits by itself; as a program it cleans what tests/browser/test_traits.py asks for.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const loadCleanTraits = async () => {
  globalThis.window = globalThis;
  const source = fileURLToPath(new URL('../../src/pendo/clean.ts', import.meta.url));
  const built = await build({ entryPoints: [source], bundle: true, write: false, format: 'esm' });
  const { cleanTraits } = await import('data:text/javascript;base64,' + Buffer.from(built.outputFiles[0].text).toString('base64'));
  return cleanTraits;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cleanTraits = await loadCleanTraits();
  process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(([traits, wish]) => cleanTraits(traits, wish))));
}
