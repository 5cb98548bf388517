/** Small helpers without state. Nothing here may throw, whatever a page passes in. */
/** JSON from outside: the one place where `any` is meant. */
export type Dict = Record<string, any>;
export declare const isString: (value: unknown) => value is string;
export declare const isFunction: (value: unknown) => value is (...args: any[]) => any;
export declare const isObject: (value: unknown) => value is Dict;
export declare const isList: (arg: any) => arg is any[];
export declare const keys: {
    (o: object): string[];
    (o: {}): string[];
}, assign: {
    <T extends {}, U>(target: T, source: U): T & U;
    <T extends {}, U, V>(target: T, source1: U, source2: V): T & U & V;
    <T extends {}, U, V, W>(target: T, source1: U, source2: V, source3: W): T & U & V & W;
    (target: object, ...sources: any[]): any;
};
export declare const json: {
    (value: any, replacer?: (this: any, key: string, value: any) => any, space?: string | number): string;
    (value: any, replacer?: (number | string)[] | null, space?: string | number): string;
};
export declare const page: Dict;
export declare const now: () => number;
export declare const iso: (at?: number | string) => string;
/** Neither missing nor empty, be it a text, a list or an object. */
export declare const isFilled: (value: any) => string | undefined;
/** The result of `make`, or undefined when it throws: for stores, cookies and foreign code. */
export declare const attempt: <T>(make: () => T) => T | undefined;
/** The value of a text that is JSON, or undefined. */
export declare const parse: (text: any) => any;
/** `crypto.randomUUID` would exist on secure pages only. */
export declare const uuid: () => string;
/** A copy as JSON would carry it: dates become text, functions and undefined go, cycles and BigInt are named. */
export declare const clone: <T>(value: T) => T;
/** Deep merge to the right: objects by key, lists by position; neither side is changed. With `isStrict` nulls and wrong types leave what was. */
export declare const merge: (left: any, right: any, isStrict?: boolean) => any;
/** UTF-8 in base64; `unescape` is old, and the shortest way there is (back: storage.ts). */
export declare const base64: (text: string) => string;
export declare const on: (target: EventTarget, name: string, listener: (event: any) => void, isCapturing?: boolean) => void;
/** An id or a name as text without blanks around it; '' = none. */
export declare const idOf: (value: unknown) => string;
/** `fetch` that gives up, where the browser knows how. */
export declare const request: (url: string, init: RequestInit) => Promise<Response>;
/** Loads a script, with the nonce of the page's own. */
export declare const addScript: (src: string) => HTMLScriptElement;
/** Adds to a bounded list, and answers what had to go: tracks and pages first, the oldest before the newer; who a person is matters more. */
export declare const push: <T extends {
    type: string;
    isSending?: boolean;
}>(list: T[], entry: T, max: number) => T[];
