// Modules of the SDK by themselves, without a browser; as a program it cleans what tests/browser/test_traits.py asks for.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What a module of src/ exports. */
export const loadSource = async (path) => {
  globalThis.window = globalThis;
  const source = fileURLToPath(new URL('../../src/' + path, import.meta.url));
  const built = await build({ entryPoints: [source], bundle: true, write: false, format: 'esm' });
  return import('data:text/javascript;base64,' + Buffer.from(built.outputFiles[0].text).toString('base64'));
};

export const loadCleanTraits = async () => (await loadSource('pendo/clean.ts')).cleanTraits;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cleanTraits = await loadCleanTraits();
  process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(([traits, wish]) => cleanTraits(traits, wish))));
}
