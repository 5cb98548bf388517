/** Small helpers without state. Nothing here may throw, whatever a page passes in. */
/** JSON from outside: the one place where `any` is meant. */
export type Dict = Record<string, any>;
export declare const isString: (value: unknown) => value is string;
export declare const isFunction: (value: unknown) => value is (...args: any[]) => any;
export declare const isObject: (value: unknown) => value is Dict;
export declare const isFilled: (value: unknown) => boolean;
export declare const isList: (arg: any) => arg is any[];
export declare const noop: () => void;
export declare const now: () => number;
export declare const iso: () => string;
/** The result of `make`, or undefined when it throws: for stores, cookies and foreign code. */
export declare const attempt: <T>(make: () => T) => T | undefined;
/** `object.name(...args)` of a foreign object that may be missing, lack the method or throw. */
export declare const tell: (object: any, name: string, ...args: unknown[]) => any;
export declare const uuid: () => string;
/** A copy as JSON would carry it: dates become text, functions and undefined go, cycles and BigInt are named. */
export declare const clone: <T>(value: T) => T;
/** Deep merge to the right: objects by key, lists by position. Neither side is changed. */
export declare const merge: (left: any, right: any) => any;
export declare const base64: (text: string) => string;
export declare const unbase64: (text: string) => string;
export declare const on: (target: EventTarget, name: string, listener: (event: any) => void) => void;
/** The value of a text that is JSON, or undefined. */
export declare const parse: (text: string) => any;
