/** Small helpers without state. Nothing here may throw, whatever a page passes in. */

/** JSON from outside: the one place where `any` is meant. */
export type Dict = Record<string, any>;

export const isString = (value: unknown): value is string => typeof value === 'string';
export const isFunction = (value: unknown): value is (...args: any[]) => any => typeof value === 'function';
export const isObject = (value: unknown): value is Dict => ({}).toString.call(value) === '[object Object]';
export const isFilled = (value: unknown): boolean => isObject(value) && Object.keys(value).length > 0;
export const isList = Array.isArray;

export const noop = (): void => {};
export const now = (): number => Date.now();
export const iso = (): string => new Date().toISOString();

/** The result of `make`, or undefined when it throws: for stores, cookies and foreign code. */
export const attempt = <T>(make: () => T): T | undefined => {
  try {
    return make();
  } catch (_) {
    return undefined;
  }
};

/** `object.name(...args)` of a foreign object that may be missing, lack the method or throw. */
export const tell = (object: any, name: string, ...args: unknown[]): any =>
  attempt(() => isFunction(object[name]) && object[name](...args));

export const uuid = (): string =>
  // randomUUID exists on secure pages only.
  attempt(() => crypto.randomUUID()) ||
  '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16),
  );

/** A copy as JSON would carry it: dates become text, functions and undefined go, cycles and BigInt are named. */
export const clone = <T>(value: T): T => {
  const parents: unknown[] = [];
  const text = attempt(() =>
    JSON.stringify(value, function (this: unknown, key: string, entry: unknown) {
      // `this` holds the entry: what lies above it on the way from the top is what a cycle can point to.
      while (parents.length && parents[parents.length - 1] !== this) parents.pop();
      if (parents.includes(entry)) return '[Circular Reference]';
      if (typeof entry === 'bigint') return '[BigInt]';
      if (entry && typeof entry === 'object') parents.push(entry);
      return key === '__proto__' ? undefined : entry;
    }),
  );
  return text === undefined ? (undefined as never) : JSON.parse(text);
};

/** Deep merge to the right: objects by key, lists by position. Neither side is changed. */
export const merge = (left: any, right: any): any => {
  const lists = isList(left) && isList(right);
  if (!lists && !(isObject(left) && isObject(right))) return right;
  const merged: any = lists ? left.slice() : Object.assign({}, left);
  for (const key of Object.keys(right)) merged[key] = merge(merged[key], (right as Dict)[key]);
  return merged;
};

export const base64 = (text: string): string => {
  let bytes = '';
  new TextEncoder().encode(text).forEach((byte) => (bytes += String.fromCharCode(byte)));
  return btoa(bytes);
};

export const unbase64 = (text: string): string =>
  new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));

export const on = (target: EventTarget, name: string, listener: (event: any) => void): void =>
  target.addEventListener(name, listener);

/** The value of a text that is JSON, or undefined. */
export const parse = (text: string): any => attempt(() => JSON.parse(text));
