// `npm run squeeze [-- SECONDS]`: searches names and orders for the minified files and keeps them in names.json. After a change of the
// sources: terser's names are no less right, only larger.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { files } from './build.mjs';
import { NAMES, analyse, asked, digest, print, rename } from './names.mjs';

const SECONDS = 240;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_';
/** How many bytes worse a step may be, by a chance of one in e: from the search's start to its end. */
const HOT = 0.5;
const COLD = 0.1;

const sizeOf = (text) => gzipSync(text, { level: 9 }).length;

/** The same steps for the same script; how many there are is the clock's. */
const chance = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
  return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
};

export const search = (code, seconds, seed = 1) => {
  const random = chance(seed);
  const below = (count) => Math.floor(random() * count);
  const { bindings, runs, layout, taboo } = analyse(code);
  const conflicts = bindings.map((one) => [...one.conflicts]);
  let names = bindings.map((one) => one.name);
  let order = runs.map((length) => [...Array(length).keys()]);
  let laid = layout(order);
  let text = print(laid, names);
  let size = sizeOf(text);
  const start = size;
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
  const swapped = (binding, name) => {
    const old = names[binding];
    const next = names.slice();
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

  const begin = Date.now();
  for (let now = begin; now < begin + seconds * 1000; now = Date.now()) {
    const heat = HOT * (COLD / HOT) ** ((now - begin) / (seconds * 1000));
    const next = step();
    if (!next) continue;
    tries++;
    const nextLaid = next[1] === order ? laid : layout(next[1]);
    const nextText = print(nextLaid, next[0]);
    const nextSize = sizeOf(nextText);
    if (nextSize > size && random() >= Math.exp((size - nextSize) / heat)) continue;
    [names, order] = next;
    [laid, text, size] = [nextLaid, nextText, nextSize];
    if (size < best.size) best = { size, names, order };
  }
  return { ...best, start, tries };
};

const main = async () => {
  await files();
  const codes = [...asked];
  const seconds = +(process.argv[2] || SECONDS);
  const all = codes.reduce((sum, code) => sum + code.length, 0);
  const table = {};
  for (const code of codes) {
    const found = search(code, (seconds * code.length) / all);
    rename(code, found);
    table[digest(code)] = { names: found.names.join(' '), order: JSON.stringify(found.order) };
    console.log(`${code.length} characters: ${found.start} -> ${found.size} bytes gzip -9, ${found.tries} tries`);
  }
  writeFileSync(NAMES, JSON.stringify(table, null, 1) + '\n');
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
