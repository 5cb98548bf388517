// The last step of the build: local names, and an order of declarations, that gzip likes. terser gives the same few letters to every
// function; which letter is where matters to gzip, and a search (`npm run squeeze`) finds better ones. Its result is kept in
// names.json, so that a build is quick and everywhere the same.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'acorn';
import { analyze } from 'eslint-scope';

export const NAMES = new URL('names.json', import.meta.url);

/** What may not be a name, of the words short enough to be tried. */
const RESERVED = new Set(['do', 'if', 'in', 'for', 'let', 'new', 'try', 'var', 'case', 'else', 'enum', 'eval', 'null', 'this', 'true', 'void', 'with']);

const isNode = (value) => value !== null && typeof value === 'object' && typeof value.type === 'string';

const visit = (node, enter, parent) => {
  enter(node, parent);
  for (const value of Object.values(node)) {
    for (const one of Array.isArray(value) ? value : [value]) if (isNode(one)) visit(one, enter, node);
  }
};

/** The tree, and which variables each identifier stands for. What no naming could be proven for is an error. */
const resolve = (code) => {
  const ast = parse(code, { ecmaVersion: 2022, sourceType: 'script', ranges: true });
  const manager = analyze(ast, { ecmaVersion: 2022, sourceType: 'script' });
  /** By where it starts: the variables that an identifier declares or stands for. More than one: they share a name. */
  const variables = new Map();
  const free = new Set();
  const add = (node, variable) => {
    const known = variables.get(node.start);
    if (!known) variables.set(node.start, [variable]);
    else if (!known.includes(variable)) known.push(variable);
  };
  for (const scope of manager.scopes) {
    for (const variable of scope.variables) for (const { name } of variable.defs) add(name, variable);
    for (const { identifier, resolved } of scope.references) {
      // `arguments` has no declaration.
      if (resolved?.defs.length) add(identifier, resolved);
      else free.add(identifier.name);
    }
  }
  visit(ast, (node) => {
    if (node.type === 'WithStatement' || (node.type === 'CallExpression' && node.callee.name === 'eval')) {
      throw new Error(`no names can be changed beside ${node.type === 'WithStatement' ? 'with' : 'eval'}`);
    }
  });
  return { ast, manager, variables, free };
};

/** Names that have to stay: what the page sees, and functions of blocks, which loose code knows outside of their block as well. */
const kept = ({ manager }) => {
  const names = new Set(['arguments']);
  for (const scope of manager.scopes) {
    for (const { name, defs } of scope.variables) {
      const ofBlock = scope.type !== 'function' && scope.type !== 'function-expression-name' && defs.some((def) => def.type === 'FunctionName');
      if (scope.type === 'global' || ofBlock) names.add(name);
    }
  }
  return names;
};

/** Whether making this value can neither do nor see anything, so that it makes no difference when it is made. */
const isInert = (node) =>
  !node ||
  node.type === 'ArrowFunctionExpression' ||
  node.type === 'FunctionExpression' ||
  node.type === 'Literal' ||
  (node.type === 'TemplateLiteral' && !node.expressions[0]) ||
  (node.type === 'UnaryExpression' && /^[!-]$/.test(node.operator) && node.argument.type === 'Literal') ||
  (node.type === 'ArrayExpression' && node.elements.every((one) => one && isInert(one))) ||
  (node.type === 'ObjectExpression' && node.properties.every((one) => one.type === 'Property' && !one.computed && isInert(one.value)));

/** Neighbours in one declaration that may stand in any order. The page's own names stay where they are: it can watch them. */
const runsOf = (ast) => {
  const runs = [];
  visit(ast, (node, parent) => {
    if (node.type !== 'VariableDeclaration' || parent.type === 'Program') return;
    if (parent.type === 'ForInStatement' || parent.type === 'ForOfStatement') return;
    let run = [];
    const names = new Set();
    for (const one of [...node.declarations, null]) {
      if (one && one.id.type === 'Identifier' && isInert(one.init) && !names.has(one.id.name)) {
        run.push(one);
        names.add(one.id.name);
        continue;
      }
      if (run.length > 1) runs.push(run);
      run = [];
      names.clear();
    }
  });
  return runs.sort((one, other) => one[0].start - other[0].start);
};

/**
 * What of a script can be chosen: `bindings` (their present `name`, and the indices of others that may not have the same one), `runs`
 * (how many declarations each has), `declared` (which bindings these are), and `layout(order)`: the text for an order of each run, as the pieces before each name.
 */
export const analyse = (code) => {
  const resolved = resolve(code);
  const { ast, manager, variables, free } = resolved;
  const pinned = kept(resolved);
  // Variables that one identifier stands for are one binding: a class outside and inside, a `var` of a catch clause.
  const bindingOf = new Map();
  for (const start of [...variables.keys()].sort((one, other) => one - other)) {
    const group = variables.get(start);
    const known = [...new Set(group.map((one) => bindingOf.get(one)).filter(Boolean))];
    const binding = known[0] || { name: group[0].name, variables: new Set(), conflicts: new Set() };
    for (const other of known.slice(1)) for (const one of other.variables) binding.variables.add(one);
    for (const one of group) binding.variables.add(one);
    for (const one of binding.variables) bindingOf.set(one, binding);
  }
  const bindings = [...new Set(bindingOf.values())].filter((one) => !pinned.has(one.name));
  bindings.forEach((one, index) => (one.index = index));

  // A name is taken in every scope between where it is declared and where it is used.
  const innermost = new Map();
  for (const scope of manager.scopes) innermost.set(scope.block, scope);
  const parents = new Map();
  visit(ast, (node, parent) => parents.set(node, parent));
  const scopeAt = (node) => {
    while (!innermost.has(node)) node = parents.get(node);
    return innermost.get(node);
  };
  const inside = new Map(manager.scopes.map((scope) => [scope, new Set()]));
  const take = (variable, from) => {
    for (let scope = from; ; scope = scope.upper) {
      inside.get(scope).add(bindingOf.get(variable));
      if (scope === variable.scope) break;
    }
  };
  for (const scope of manager.scopes) {
    for (const variable of scope.variables) {
      if (!bindingOf.has(variable)) continue;
      take(variable, scope);
      for (const { from } of variable.references) take(variable, from);
      // A `var` passes the blocks it stands in, without a value too.
      for (const { type, name, parent } of variable.defs) if (type === 'Variable' && parent.kind === 'var') take(variable, scopeAt(name));
    }
  }
  for (const scope of manager.scopes) {
    const taken = inside.get(scope);
    for (const variable of scope.variables) {
      const own = bindingOf.get(variable);
      if (!own || pinned.has(own.name)) continue;
      for (const other of taken) {
        if (other === own || pinned.has(other.name)) continue;
        own.conflicts.add(other.index);
        other.conflicts.add(own.index);
      }
    }
  }

  const events = [];
  visit(ast, (node, parent) => {
    if (node.type !== 'Identifier' || !variables.has(node.start) || pinned.has(node.name)) return;
    const property = parent.type === 'AssignmentPattern' && parents.get(parent).type === 'Property' && parent.left === node ? parents.get(parent) : parent;
    // `{a}` is one place though the tree has it twice.
    if (property.type === 'Property' && property.shorthand && property.key === node && property.value !== node) return;
    const key = property.type === 'Property' && !property.computed && (property.value === node || property.value.left === node) && property.key.type === 'Identifier' ? property.key : null;
    // Brackets around a value stay where they are.
    const isShort = key && key.name !== '__proto__' && /^(\s*:\s*)?$/.test(code.slice(key.end, node.start));
    events.push({ start: isShort ? key.start : node.start, end: node.end, at: node.start, key: isShort ? key.name : null, index: bindingOf.get(variables.get(node.start)[0]).index });
  });
  const unique = new Map(events.map((one) => [one.at, one]));
  const runs = runsOf(ast);
  const sorted = [...unique.values(), ...runs.map((run, index) => ({ start: run[0].start, end: run.at(-1).end, run, index }))].sort(
    (one, other) => one.start - other.start || other.end - one.end,
  );
  const layout = (order) => {
    const pieces = [];
    const places = [];
    let piece = '';
    const emit = (from, to, around) => {
      let at = from;
      for (let next = sorted.findIndex((one) => one.start >= from); next >= 0 && next < sorted.length && sorted[next].start < to; next++) {
        const one = sorted[next];
        if (one === around || one.start < at) continue;
        piece += code.slice(at, one.start);
        at = one.end;
        if (one.run) {
          one.run.forEach((_, slot) => {
            const { start, end } = one.run[order[one.index][slot]];
            if (slot) piece += code.slice(one.run[slot - 1].end, one.run[slot].start);
            emit(start, end, one);
          });
        } else {
          pieces.push(piece);
          places.push(one);
          piece = '';
        }
      }
      piece += code.slice(at, to);
    };
    emit(0, code.length);
    return { pieces, places, rest: piece };
  };
  const declared = runs.map((run) => run.map(({ id }) => bindingOf.get(variables.get(id.start)[0]).index));
  return { bindings, runs: runs.map((run) => run.length), declared, layout, taboo: new Set([...RESERVED, ...free, ...pinned]) };
};

export const print = ({ pieces, places, rest }, names) => {
  let text = '';
  for (let at = 0; at < places.length; at++) {
    const { key, index } = places[at];
    const name = names[index];
    text += pieces[at] + (key === null || key === name ? name : key + ':' + name);
  }
  return text + rest;
};

const fail = (what, code, at) => {
  throw new Error(`the names changed the script: ${what} at ${JSON.stringify(code.slice(Math.max(0, at - 20), at + 40))}`);
};

/** Fails unless both scripts are the same but for the names of their bindings: each identifier stands for the same one in both. */
export const checkNames = (before, after) => {
  const [one, other] = [resolve(before), resolve(after)];
  const [there, back] = [new Map(), new Map()];
  const pair = (left, right, at) => {
    if (there.has(left) ? there.get(left) !== right : back.has(right)) fail('another variable', before, at);
    there.set(left, right);
    back.set(right, left);
  };
  const pinned = kept(one);
  const isSame = (left, right, inProperty) => {
    if (left.type !== right.type) fail('another construct', before, left.start);
    if (left.type === 'Identifier') {
      const [mine, its] = inProperty ? [[], []] : [one.variables.get(left.start) || [], other.variables.get(right.start) || []];
      if (mine.length !== its.length) fail('another variable', before, left.start);
      mine.forEach((variable, index) => pair(variable, its[index], left.start));
      if ((!mine.length || pinned.has(left.name)) && left.name !== right.name) fail('another name', before, left.start);
      return;
    }
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      if (key === 'start' || key === 'end' || key === 'range') continue;
      if (key === 'shorthand') continue;
      const [mine, its] = [left[key], right[key]];
      const named = (key === 'key' || key === 'property') && !left.computed;
      if (Array.isArray(mine)) {
        if (!Array.isArray(its) || mine.length !== its.length) fail('another length', before, left.start);
        mine.forEach((value, index) => (isNode(value) && isNode(its[index]) ? isSame(value, its[index]) : value === its[index] || fail('another value', before, left.start)));
      } else if (isNode(mine) && isNode(its)) isSame(mine, its, named || key === 'label');
      else if (!isEqual(mine, its)) fail('another value', before, left.start);
    }
  };
  isSame(one.ast, other.ast);
  const names = ({ free }) => [...free].sort().join();
  if (names(one) !== names(other)) fail('other global names', names(one), 0);
  if ([...pinned].sort().join() !== [...kept(other)].sort().join()) fail('other kept names', [...pinned].join(), 0);
};

/** A literal's value can be a regular expression or a big integer; a template's is `{raw, cooked}`. */
const isEqual = (one, other) => one === other || (typeof one === 'object' && typeof other === 'object' && one !== null && other !== null && String(one) === String(other) && JSON.stringify(one) === JSON.stringify(other));

/** Fails unless both scripts are the same but for the order within runs of declarations. */
export const checkOrder = (before, after) => {
  const normal = (code) => {
    const ast = parse(code, { ecmaVersion: 2022, sourceType: 'script' });
    const runs = runsOf(ast);
    const textOf = (from, to, skipped) => {
      let text = '';
      let at = from;
      for (const run of runs) {
        const [start, end] = [run[0].start, run.at(-1).end];
        if (run === skipped || start < at || end > to) continue;
        text += code.slice(at, start) + run.map((one) => textOf(one.start, one.end, run)).sort().join();
        at = end;
      }
      return text + code.slice(at, to);
    };
    return textOf(0, code.length);
  };
  if (normal(before) !== normal(after)) fail('another order', before, 0);
};

/** The script with other names and in another order, proven to be the same otherwise. */
export const rename = (code, { names, order }) => {
  const { bindings, runs, layout } = analyse(code);
  const isOrder = (run, index) => run.length === runs[index] && [...run].sort((one, other) => one - other).every((one, slot) => one === slot);
  if (names.length !== bindings.length || order.length !== runs.length || !order.every(isOrder)) throw new Error('the names are of another script');
  const ordered = print(layout(order), bindings.map((one) => one.name));
  checkOrder(code, ordered);
  const named = print(layout(order), names);
  checkNames(ordered, named);
  return named;
};

/** The key under which names.json keeps the names of a script. */
export const digest = (code) => createHash('sha256').update(code).digest('hex').slice(0, 16);

/** Every script that a build has asked names for. */
export const asked = new Set();

/** The script with the names kept for it, or as it is where there are none. */
export const named = (code) => {
  asked.add(code);
  let table = {};
  try {
    table = JSON.parse(readFileSync(NAMES, 'utf8'));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  const found = table[digest(code)];
  if (found) return rename(code, { names: found.names.split(' '), order: JSON.parse(found.order) });
  console.error(`a script of ${code.length} characters has no names of its own and keeps terser's: npm run squeeze makes it smaller`);
  return code;
};
