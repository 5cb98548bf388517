/** Small helpers without state. Nothing here may throw, whatever a page passes in. */

/** JSON from outside: the one place where `any` is meant. */
export type Dict = Record<string, any>;

export const isString = (value: unknown): value is string => typeof value === 'string';
export const isFunction = (value: unknown): value is (...args: any[]) => any => typeof value === 'function';
export const isObject = (value: unknown): value is Dict => ({}).toString.call(value) === '[object Object]';
export const isList = Array.isArray;
export const { keys, assign } = Object;
export const json = JSON.stringify;
export const page = window as Dict;

export const now = (): number => Date.now();
export const iso = (at: number | string = now()): string => new Date(at).toISOString();

/** Neither missing nor empty, be it a text, a list or an object. */
export const isFilled = (value: any): string | undefined => keys(value || '')[0];

/** The result of `make`, or undefined when it throws: for stores, cookies and foreign code. */
export const attempt = <T>(make: () => T): T | undefined => {
  try {
    return make();
  } catch (_) {
    return undefined;
  }
};

/** The value of a text that is JSON, or undefined. */
export const parse = (text: any): any => attempt(() => JSON.parse(text));

/** `crypto.randomUUID` would exist on secure pages only. */
export const uuid = (): string =>
  '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16),
  );

/** A copy as JSON would carry it: dates become text, functions and undefined go, cycles and BigInt are named. */
export const clone = <T>(value: T): T => {
  const parents: unknown[] = [];
  return parse(
    attempt(() =>
      json(value, function (this: unknown, key: string, entry: unknown) {
        // `this` holds the entry: what lies above it on the way from the top is what a cycle can point to. The last one may lie beside it.
        parents.splice(0, parents.indexOf(this));
        if (parents.includes(entry)) return '[Circular Reference]';
        parents.unshift(entry);
        return key === '__proto__' ? undefined : typeof entry === 'bigint' ? '[BigInt]' : entry;
      }),
    ),
  );
};

/** Deep merge to the right: objects by key, lists by position; neither side is changed. With `isStrict` nulls and wrong types leave what was. */
export const merge = (left: any, right: any, isStrict?: boolean): any => {
  const lists = isList(left) && isList(right);
  if (!lists && !(isObject(left) && isObject(right))) return isStrict && (right == null || isObject(left)) ? left : right;
  const merged: any = lists ? left.slice() : assign({}, left);
  for (const key of keys(right)) merged[key] = merge(merged[key], (right as Dict)[key], isStrict);
  return merged;
};

/** UTF-8 in base64; `unescape` is old, and the shortest way there is (back: storage.ts). */
export const base64 = (text: string): string => btoa(unescape(encodeURIComponent(text)));

export const on = (target: EventTarget, name: string, listener: (event: any) => void, isCapturing?: boolean): void =>
  target.addEventListener(name, listener, isCapturing);

/** An id or a name as text without blanks around it; '' = none. */
export const idOf = (value: unknown): string => (value == null ? '' : String(value).trim());

const TIMEOUT_MS = 30000;

/** `fetch` that gives up, where the browser knows how. */
export const request = (url: string, init: RequestInit): Promise<Response> =>
  fetch(url, assign({ signal: attempt(() => AbortSignal.timeout(TIMEOUT_MS)) }, init));

/** Loads a script, with the nonce of the page's own. */
export const addScript = (src: string): HTMLScriptElement => {
  const script = document.createElement('script');
  script.nonce = (document.querySelector<HTMLElement>('script[nonce]') || script).nonce;
  script.src = src;
  return document.head.appendChild(script);
};

/** Adds to a bounded list, and answers what had to go: tracks and pages first, the oldest before the newer; who a person is matters more. */
export const push = <T extends { type: string; isSending?: boolean }>(list: T[], entry: T, max: number): T[] => {
  list.push(entry);
  return list.splice(Math.max(0, list.findIndex((one) => !one.isSending && /^(track|page)/.test(one.type))), +(list.length > max));
};
