// Minifies RudderStack's published SDKs as a site's own bundler would, and prints sizes: {name: {min, gzip, brotli}}.
//
//   node bench/minify.mjs FOLDER      the minified files are written there, as NAME.js
//
// esbuild and the SDKs are those that npm installed into browser/; nothing of them is kept in the repository.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { gzipSize } from '../browser/scripts/sizes.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { transformSync } = createRequire(join(root, 'browser/package.json'))('esbuild');
const lib = join(root, 'src/sternpost/static/lib');
const npm = join(root, 'browser/node_modules');
const folder = process.argv[2];

const FILES = {
  sternpost: [join(lib, 'sp.min.js'), false],
  bundle: [join(lib, 'js-integrations/Pendo.min.js'), false],
  v3: [join(npm, '@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js'), true],
  v2: [join(npm, 'rudder-sdk-js/dist/npm/index.js'), true],
};

const told = {};
for (const [name, [path, isOpen]] of Object.entries(FILES)) {
  const source = readFileSync(path);
  const code = isOpen ? Buffer.from(transformSync(source.toString(), { minify: true, legalComments: 'none' }).code) : source;
  writeFileSync(join(folder, `${name}.js`), code);
  told[name] = { min: code.length, gzip: gzipSize(code), brotli: brotliCompressSync(code).length };
}
const version = (name) => JSON.parse(readFileSync(join(npm, name, 'package.json'))).version;
console.log(JSON.stringify({ sizes: told, versions: { v3: version('@rudderstack/analytics-js'), v2: version('rudder-sdk-js') } }));
