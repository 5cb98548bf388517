// The names of the minified files: another naming must leave the script as it is, and one that does not must not get through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { formerNames } from '../scripts/former.mjs';
import { analyse, checkNames, checkOrder, print, rename } from '../scripts/names.mjs';

const chance = (seed) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
};

/** A naming that is allowed and as crowded as it can be: few names, in a random order. */
const crowded = ({ bindings, taboo }, random) => {
  const names = [];
  const letters = [...'abcdefgh'].filter((one) => !taboo.has(one));
  for (const { index, conflicts } of bindings) {
    const free = letters.filter((one) => ![...conflicts].some((other) => names[other] === one));
    names[index] = free.length ? free[Math.floor(random() * free.length)] : 'v' + index;
  }
  return names;
};

const shuffled = ({ runs }, random) =>
  runs.map((length) => {
    const order = [...Array(length).keys()];
    for (let at = length - 1; at > 0; at--) {
      const other = Math.floor(random() * (at + 1));
      [order[at], order[other]] = [order[other], order[at]];
    }
    return order;
  });

const inOrder = ({ runs }) => runs.map((length) => [...Array(length).keys()]);

const answer = (code) => {
  const said = [];
  vm.runInNewContext(code, { say: (...values) => said.push(JSON.stringify(values)) }, { timeout: 1000 });
  return said;
};

const TRICKY = [
  '(()=>{let {a,b:c=a,...d}={a:1,b:void 0,e:3};say(a,c,d,{a,c,d})})()',
  '(()=>{let a,b;({a,b=2}={a:1});say({a,b,c:a,["d"+b]:b});[a,b]=[b,a];say(a,b)})()',
  '(()=>{let z=1;let f=(x,y=x+z,{p,q:[r]=[y]}={p:z})=>[x,y,p,r,z];say(f(1),f(1,2,{p:4,q:[5]}))})()',
  '(()=>{let e=1;try{throw 2}catch(t){let n=t+e;say(e,t,n)}try{throw{m:3}}catch({m}){say(m,e)}try{e()}catch{say(e)}})()',
  '(()=>{try{throw 1}catch(e){var e=5;say(e)}say(e)})()',
  '(()=>{var a=1;var b=2;{let c=3;{var d;say(a,b,c,d)}d=4}var a;say(a,d)})()',
  '(()=>{let f=function g(n){return n?n*g(n-1):1};say(f(4));say(typeof g)})()',
  '(()=>{class A{constructor(x){this.x=x}static of(y){return new A(y)}get z(){return this.x}}class B extends A{f(w){return super.z+w}}say(A.of(2).z,new B(3).f(1))})()',
  '(()=>{let r=[];for(let i=0;i<3;i++)r.push(()=>i);for(const k of [7])r.push(()=>k);for(let k in{q:1})r.push(()=>k);for(var v of[1,2]);say(r.map(h=>h()),v)})()',
  '(()=>{let a=1;a:for(;;){for(;;)break a}say(a);b:{let b=2;say(b);break b}})()',
  '(()=>{function f(){return arguments.length+arguments[0]}function g(arguments){return arguments}say(f(1,2),g(5))})()',
  '(()=>{{function f(){return 1}}let g=f;say(g(),f())})()',
  '(()=>{switch(1){case 1:let x=1;say(x)}let x=2;say(x)})()',
  '(()=>{let u=1;let f=()=>typeof missing;say(f(),`${u}${(u=>u+1)(u)}`,u)})()',
  '(()=>{let a=(1),o={a:(a),b:((a))};say(o)})()',
  '(()=>{let x=1;{let f=()=>y,y=2;say(x,f())}})()',
  '(()=>{let outer=1;let f=(a=()=>outer)=>{var outer=2;return[a(),outer]};say(f())})()',
  '(()=>{var e=1,f=()=>e,g=function(){return f()},h=[],k={m:f=>f};var p=g(),q=()=>p,s=!1;say(p,q(),h,k.m(3),s)})()',
  '(()=>{let o={f(x){return x},get g(){return 1},async*h(y){yield y},__proto__:null};let __proto__=2;say(o.f(1),o.g,{__proto__:__proto__}.x)})()',
  'var page=1;function seen(){return page}(()=>{let page2=2;say(page,seen(),page2)})()',
];

test('tricky scripts say the same under crowded names, and in other orders', () => {
  const random = chance(1);
  for (const code of TRICKY) {
    const choices = analyse(code);
    assert.equal(print(choices.layout(inOrder(choices)), choices.bindings.map((one) => one.name)), code);
    for (let round = 0; round < 40; round++) {
      const names = crowded(choices, random);
      const named = rename(code, { names, order: inOrder(choices) });
      assert.deepEqual(answer(named), answer(code), `${code}\n${named}`);
      const both = rename(code, { names, order: shuffled(choices, random) });
      assert.deepEqual(answer(both), answer(code), `${code}\n${both}`);
    }
  }
});

/** A random script whose every function is called and whose every value is said. */
const program = (random) => {
  const below = (count) => Math.floor(random() * count);
  let count = 0;
  const value = (scope, depth) => {
    const one = () => (scope.length && below(4) ? scope[below(scope.length)] : String(below(9)));
    const kind = below(depth ? 7 : 3);
    if (kind < 2) return one();
    if (kind === 2) return `[${one()},${one()}].length`;
    const name = 'n' + count++;
    if (kind === 3) return `((${name},m${name}=${name})=>${value([...scope, name, 'm' + name], depth - 1)})(${one()})`;
    if (kind === 4) return `(function ${name}(p${name}){return p${name}>0?${value([...scope, 'p' + name], depth - 1)}:${one()}})(${below(2)})`;
    if (kind === 5) return `(({${name},k:l${name}=${one()}})=>{${block([...scope, name, 'l' + name], depth - 1)}return ${name}})({${name}:${one()}})`;
    return `(()=>{${block(scope, depth - 1)}return ${one()}})()`;
  };
  const block = (outer, depth) => {
    const scope = [...outer];
    let text = '';
    for (let index = 2 + below(3); index > 0; index--) {
      const name = 'x' + count++;
      const kind = below(depth > 0 ? 7 : 2);
      if (kind < 2) text += `${['var', 'let'][kind]} ${name}=${value(scope, depth)},f${name}=()=>${value(scope, 0)},g${name}=${below(9)};`;
      else if (kind === 2) text += `try{throw ${value(scope, 0)}}catch(${name}){${block([...scope, name], depth - 1)}var v${name}=1;}`;
      else if (kind === 3) text += `for(let ${name} of [1,2]){${block([...scope, name], depth - 1)}}`;
      else if (kind === 4) text += `{${block(scope, depth - 1)}}`;
      else if (kind === 5) text += `let {${name},o:o${name}=${value(scope, 0)}}={${name}:${value(scope, 0)}};`;
      else text += `function f${name}(${name}){${block([...scope, name], depth - 1)}return ${name}}say(f${name}(${value(scope, 0)}));`;
      if (kind < 2 || kind === 5) scope.push(name);
      if (kind < 2) scope.push('g' + name);
      text += `say(${scope.map((one) => one).join()});`;
      if (kind === 5) text += `say({${name}});`;
      if (kind < 2) text += `say(f${name}());`;
    }
    return text;
  };
  return `(()=>{${block([], 3)}})()`;
};

test('random scripts say the same', () => {
  const random = chance(7);
  for (let round = 0; round < 300; round++) {
    const code = program(random);
    const choices = analyse(code);
    const said = answer(code);
    const names = crowded(choices, random);
    const named = rename(code, { names, order: inOrder(choices) });
    assert.deepEqual(answer(named), answer(code), `${code}\n${named}`);
    const both = rename(code, { names, order: shuffled(choices, random) });
    assert.deepEqual(answer(both), said, `${code}\n${both}`);
  }
});

test('whatever naming changes what the script is, does not get through', () => {
  const random = chance(3);
  let refused = 0;
  for (let round = 0; round < 300; round++) {
    const code = round < TRICKY.length ? TRICKY[round] : program(random);
    const choices = analyse(code);
    const names = crowded(choices, random);
    // One binding takes the name of another, whether it may or not.
    const { index } = choices.bindings[Math.floor(random() * names.length)];
    names[index] = names[Math.floor(random() * names.length)];
    let named;
    try {
      named = rename(code, { names, order: inOrder(choices) });
    } catch {
      refused++;
      continue;
    }
    assert.deepEqual(answer(named), answer(code), `${code}\n${named}`);
  }
  assert.ok(refused > 30, `${refused} refused`);
});

test('the check sees captured, split, joined and free names, and every other change', () => {
  const refuses = (before, after) => assert.throws(() => checkNames(before, after), /names changed the script/, `${before}\n${after}`);
  refuses('(a=>b=>a)', '(a=>a=>a)');
  refuses('(a=>b=>a+b)', '(a=>b=>b+b)');
  refuses('(a=>say(a))', '(say=>say(say))');
  refuses('(a=>say(b))', '(a=>say(a))');
  refuses('(a=>say(b))', '(a=>say(c))');
  refuses('(a=>a.b)', '(a=>a.a)');
  refuses('(a=>({a}))', '(b=>({b}))');
  refuses('(({a})=>a)', '(({b})=>b)');
  refuses('(a=>{var b=1,c=2;return b})', '(a=>{var b=1,c=2;return c})');
  refuses('(()=>{try{}catch(a){var b=1}return b})', '(()=>{try{}catch(a){var a=1}return a})');
  refuses('(a=>a+1)', '(a=>a+2)');
  refuses('(a=>/b/.test(a))', '(a=>/c/.test(a))');
  refuses('(a=>`b${a}`)', '(a=>`c${a}`)');
  refuses('(a=>a)', '(async a=>a)');
  refuses('var a=1;say(a)', 'var b=1;say(b)');
  refuses('(()=>{{function f(){}}f()})', '(()=>{{function g(){}}g()})');
  checkNames('(({a,b=1})=>c=>({a,b,c}))', '(({a:x,b:a=1})=>b=>({a:x,b:a,c:b}))');
});

test('only what does nothing changes its place', () => {
  checkOrder('(()=>{var a=1,b=()=>a})', '(()=>{var b=()=>a,a=1})');
  for (const code of ['var a=f(),b=()=>a', 'var b=()=>a,a=f()', 'var a=f(),b=g()', 'var a=1,b=a', 'var a=1,b={c:a}', 'var a=1,a=2', 'let a=1,{b}=c', 'var a=1,b=[...c]', 'var a=1,b=+1n']) {
    assert.deepEqual(analyse(`(()=>{${code}})`).runs, [], code);
  }
  assert.deepEqual(analyse('var a=1,b=()=>1').runs, [], "the page's own");
  assert.throws(() => checkOrder('(()=>{var a=f(),b=1})', '(()=>{var b=1,a=f()})'), /another order/);
});

test('a script that no naming can be proven for, and names of another script, are refused', () => {
  assert.throws(() => analyse('(a=>eval("a"))'), /eval/);
  assert.throws(() => analyse('(a=>{with(a)b})'), /with/);
  assert.throws(() => rename('(a=>a)', { names: ['b', 'c'], order: [] }), /another script/);
  assert.throws(() => rename('(()=>{var a=1,b=2})', { names: ['a', 'b'], order: [[0, 0]] }), /another script/);
});

test('a search begins with the names and the order that a former build had, as far as the script is the same', () => {
  const code = (added) =>
    `(()=>{let first=()=>document.title,second=x=>{${added}return x.slice(4)+first()+"one"},third=(y,z)=>y.of("two",z)*second(y),fourth="a text";say("three",third,fourth)})()`;
  const built = `(()=>{let d="a text",b=p=>{return p.slice(4)+a()+"one"},c=(q,r)=>q.of("two",r)*b(q),a=()=>document.title;say("three",c,d)})()`;
  const now = analyse(code('')).bindings.map((one) => one.name);
  const had = { first: 'a', second: 'b', x: 'p', third: 'c', y: 'q', z: 'r', fourth: 'd' };
  const same = formerNames(code(''), built);
  assert.deepEqual(same.names, now.map((name) => had[name]));
  assert.deepEqual(same.order, [[3, 1, 2, 0]]);
  assert.equal(rename(code(''), same), built);
  const changed = code('let fresh=x.size;say(fresh,fresh);');
  const { bindings } = analyse(changed);
  const found = formerNames(changed, built);
  for (const [index, { name }] of bindings.entries()) if (name !== 'x') assert.equal(found.names[index], had[name], name);
});
