// Builds the committed files and the package. `--check` builds beside them instead and compares.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';
import { named } from './names.mjs';
import { gzipSize } from './sizes.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lib = join(root, '../src/sternpost/static/lib');
const packed = join(root, 'module');
const BANNER = '/*! Sternpost, Apache-2.0 */';
/** One request of at most 9 KB carries the documented snippet with Pendo. */
const GZIP_MAX = 9216;
/** Stands in the sources (version.ts) for the mark of a build: as long as one, and as hard to pack. */
const MARK = 'q_7X';

const bundle = async (entry, options = {}) => {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['src/' + entry],
    bundle: true,
    write: false,
    target: 'es2017',
    charset: 'utf8',
    format: 'iife',
    logLevel: 'warning',
    legalComments: 'none',
    ...options,
  });
  return result.outputFiles[0].text;
};

/** Names of our own data only, which no page and no server sees. */
const INTERNAL = /^(isSending|isRecovered|isAllowed|isClosed|choose|adapt|begin|opened|firstId|integration)$/;

/** esbuild joins the modules, terser makes them small. One word instead of two: what stays `const` could not be joined with `let`. */
const small = async (code, nameCache) => {
  const result = await minify(code.replace('"use strict";', '').replace(/\bconst\b/g, 'let'), {
    ecma: 2017,
    toplevel: true,
    compress: { passes: 1, inline: 2, loops: false, unsafe_arrows: true, unsafe_methods: true, keep_fargs: false, pure_getters: true },
    mangle: { toplevel: true, properties: { regex: INTERNAL } },
    nameCache,
  });
  return (
    result.code
      // Of two words that mean the same (a text that is compared with a word, a number with a number) the shorter.
      .replace(/(\b\d+)([!=])==/g, '$1$2=')
      .replace(/("[\w .-]*[a-zA-Z][\w .-]*")([!=])==/g, '$1$2=')
  );
};

/** Files that work together share `names`: what their internal names became. */
const finished = async (code, names = {}) => {
  const cache = { props: names.props };
  const text = await small(code, cache);
  names.props = cache.props;
  return named(text) + '\n';
};

/** The second file says its mark at its end: the server keeps former ones by it, for pages that have the first file of that build. */
const stamped = (code) => `${code}//build ${MARK}\n`;

const readable = (code) => BANNER + '\n' + code;

/** The files with their own mark: of the second file only the one of the same build fits the first (names, order of the kit). */
const marked = (pair) => {
  const mark = createHash('sha256').update(Object.values(pair).join()).digest('base64url').slice(0, MARK.length);
  return Object.fromEntries(Object.entries(pair).map(([path, code]) => [path, code.replaceAll(MARK, mark)]));
};

export const files = async () => {
  const sdk = await bundle('global.ts');
  const more = await bundle('second.ts');
  const pendo = await bundle('bundle.ts');
  const names = {};
  const pair = {
    [join(lib, 'sp.js')]: readable(sdk),
    [join(lib, 'sp.min.js')]: await finished(sdk, names),
    [join(lib, 'sp.more.js')]: readable(more),
    [join(lib, 'sp.more.min.js')]: stamped(await finished(more, names)),
  };
  return {
    ...marked(pair),
    [join(lib, 'js-integrations/Pendo.js')]: readable(pendo),
    [join(lib, 'js-integrations/Pendo.min.js')]: await finished(pendo),
  };
};

/** The package: the module, which may be imported where there is no page, and its types as they are declared. */
const packageFiles = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'types-'));
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.types.json', '--outDir', folder], { cwd: root, stdio: 'inherit' });
    // What the package exports, with whole names of files, as Node.js wants them.
    const types = ['module.d.ts', 'types.d.ts'];
    const declared = (name) => readFileSync(join(folder, name), 'utf8').replace(/( from '\.\/\w+)'/g, "$1.js'");
    return {
      [join(packed, 'module.js')]: readable(await bundle('module.ts', { format: 'esm', define: { window: 'globalThis' } })),
      ...Object.fromEntries(types.map((name) => [join(packed, name), declared(name)])),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** Files of the package whose sources went. */
const leftOver = (built) =>
  readdirSync(packed, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .filter((path) => !(path in built));

const main = async () => {
  const checking = process.argv.includes('--check');
  let wrong = 0;
  const built = { ...(await files()), ...(await packageFiles()) };
  for (const [path, code] of Object.entries(built)) {
    const name = relative(path.startsWith(lib) ? lib : root, path);
    if (name.endsWith('.min.js')) {
      const size = gzipSize(code, basename(name));
      console.log(`${name}: ${Buffer.byteLength(code)} bytes, ${size} by gzip -9 with its name, ${gzipSize(code)} without`);
      if (name === 'sp.min.js' && size > GZIP_MAX) {
        console.error(`${name} is above ${GZIP_MAX} bytes`);
        wrong++;
      }
    }
    if (checking) {
      let committed = '';
      try {
        committed = readFileSync(path, 'utf8');
      } catch {}
      if (committed !== code) {
        console.error(`${name} differs from its sources: npm run build`);
        wrong++;
      }
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, code);
    }
  }
  for (const path of leftOver(built)) {
    if (!checking) rmSync(path);
    else {
      console.error(`${relative(root, path)} differs from its sources: they are gone`);
      wrong++;
    }
  }
  process.exitCode = wrong ? 1 : 0;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
