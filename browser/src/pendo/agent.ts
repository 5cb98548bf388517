/** Calls into foreign objects: Pendo's agent, and integrations. None of their exceptions gets out. */

import { attempt } from '../util';

/** `object.name(...args)` of an object that may be missing, lack the method or throw. */
export const tell = (object: any, name: string, ...args: unknown[]): any =>
  attempt(() => object[name](...args));
