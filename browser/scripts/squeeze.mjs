// `npm run squeeze [-- SECONDS]`: searches names and orders for the minified files and keeps them in names.json. After a change of the
// sources, and before the build: the search begins with the names in the files of the build before. terser's are no less right, only larger.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { files } from './build.mjs';
import { formerNames } from './former.mjs';
import { NAMES, analyse, asked, digest, print, rename } from './names.mjs';
import { startSizer } from './sizes.mjs';

const SECONDS = 240;
/** Of Python's, that measure. */
const PROCESSES = 2;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_';
/** How many bytes worse a step may be, by a chance of one in e: from the search's start to its end. */
const HOT = 0.5;
/** The start of a search that begins with former names: what they are worth must not melt away. */
const WARM = 0.25;
const COLD = 0.1;

/** The same steps for the same script; how many there are is the clock's. */
const chance = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
  return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
};

/** `former`: what an earlier build made of this script, or of one like it. */
export const search = async (code, seconds, sizeOf, former, seed = 1) => {
  const random = chance(seed);
  const below = (count) => Math.floor(random() * count);
  const { bindings, runs, layout, taboo } = analyse(code);
  const conflicts = bindings.map((one) => [...one.conflicts]);
  let names = bindings.map((one) => one.name);
  let order = runs.map((length) => [...Array(length).keys()]);
  let laid = layout(order);
  let text = print(laid, names);
  let size = await sizeOf(text);
  const start = size;
  let hot = HOT;
  let best = { size, names, order };
  let tries = 0;

  /** A name that stands elsewhere in the same surroundings as this binding does at one of its places. */
  const likely = (binding) => {
    let at = 0;
    let seen = 0;
    let position = 0;
    for (let index = 0; index < laid.places.length; index++) {
      position += laid.pieces[index].length;
      const { key } = laid.places[index];
      const name = names[laid.places[index].index];
      if (key !== null && key !== name) position += key.length + 1;
      if (laid.places[index].index === binding && random() < 1 / ++seen) at = position;
      position += name.length;
    }
    const length = 1 + below(6);
    const from = below(text.length);
    if (random() < 0.5) {
      const before = text.slice(Math.max(0, at - length), at);
      let found = text.indexOf(before, from);
      if (found < 0) found = text.indexOf(before);
      return /^[\w$]+/.exec(text.slice(found + before.length, found + before.length + 3))?.[0];
    }
    const end = at + names[binding].length;
    const after = text.slice(end, end + length);
    let found = text.indexOf(after, from);
    if (found < 0) found = text.indexOf(after);
    return /[\w$]+$/.exec(text.slice(Math.max(0, found - 3), found))?.[0];
  };

  /** One binding's new name; whoever is in its way takes the old one, and so on: what comes out is always free of conflicts. */
  const swapped = (binding, name, of = names) => {
    const old = of[binding];
    const next = of.slice();
    const todo = [binding];
    next[binding] = name;
    while (todo.length) {
      const one = todo.pop();
      for (const other of conflicts[one]) {
        if (next[other] !== next[one]) continue;
        next[other] = next[one] === name ? old : name;
        todo.push(other);
      }
    }
    return next;
  };

  const step = () => {
    const movable = random() < 0.12 && runs.length;
    if (movable) {
      const run = below(runs.length);
      const moved = order[run].slice();
      const [one] = moved.splice(below(moved.length), 1);
      moved.splice(below(moved.length + 1), 0, one);
      const nextOrder = order.slice();
      nextOrder[run] = moved;
      return [names, nextOrder];
    }
    const binding = below(names.length);
    const kind = random();
    const name = kind < 0.7 ? likely(binding) : kind < 0.85 ? LETTERS[below(LETTERS.length)] : names[below(names.length)];
    if (!name || name.length > 2 || name === names[binding] || taboo.has(name) || !/^[a-z$_][\w$]*$/i.test(name)) return null;
    return [swapped(binding, name), order];
  };

  if (former) {
    const found = formerNames(code, former);
    let next = names;
    for (const index of names.keys()) {
      const name = found.names[index];
      if (name && name !== next[index] && !taboo.has(name)) next = swapped(index, name, next);
    }
    const nextLaid = layout(found.order);
    const nextText = print(nextLaid, next);
    const nextSize = await sizeOf(nextText);
    if (nextSize < size) {
      [names, order, laid, text, size, hot] = [next, found.order, nextLaid, nextText, nextSize, WARM];
      best = { size, names, order };
    }
  }

  const candidate = () => {
    let next;
    while (!next) next = step();
    const nextLaid = next[1] === order ? laid : layout(next[1]);
    const nextText = print(nextLaid, next[0]);
    return { next, nextLaid, nextText, measured: sizeOf(nextText) };
  };

  const begun = size;
  const begin = Date.now();
  // Most steps are refused: the next ones are measured meanwhile, and thrown away where one is taken.
  const ahead = [];
  for (let now = begin; now < begin + seconds * 1000; now = Date.now()) {
    const heat = hot * (COLD / hot) ** ((now - begin) / (seconds * 1000));
    while (ahead.length < PROCESSES) ahead.push(candidate());
    const { next, nextLaid, nextText, measured } = ahead.shift();
    const nextSize = await measured;
    tries++;
    if (nextSize > size && random() >= Math.exp((size - nextSize) / heat)) continue;
    await Promise.all(ahead.splice(0).map((one) => one.measured));
    [names, order] = next;
    [laid, text, size] = [nextLaid, nextText, nextSize];
    if (size < best.size) best = { size, names, order };
  }
  return { ...best, start, begun, tries };
};

const main = async () => {
  const paths = Object.keys(await files()).filter((path) => path.endsWith('.min.js'));
  const codes = [...asked];
  const seconds = +(process.argv[2] || SECONDS);
  const all = codes.reduce((sum, code) => sum + code.length, 0);
  const table = {};
  const sizer = startSizer(PROCESSES);
  for (const [at, code] of codes.entries()) {
    const former = existsSync(paths[at]) ? readFileSync(paths[at], 'utf8') : undefined;
    const found = await search(code, (seconds * code.length) / all, sizer.sizeOf, former);
    rename(code, found);
    table[digest(code)] = { names: found.names.join(' '), order: JSON.stringify(found.order) };
    console.log(`${code.length} characters: ${found.start} -> ${found.begun} -> ${found.size} bytes gzip -9, ${found.tries} tries`);
  }
  sizer.close();
  writeFileSync(NAMES, JSON.stringify(table, null, 1) + '\n');
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
