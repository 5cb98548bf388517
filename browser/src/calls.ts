/** The overloads of the five event calls, told apart as RudderStack's SDK does. */

import { clone, isFunction, isObject, isString, type Dict } from './util';

export interface Call {
  type: 'identify' | 'track' | 'page' | 'group' | 'alias';
  /** userId, groupId or the new id of an alias; null = "not given, keep the present one". */
  id?: string | null | undefined;
  /** The event's or the page's name. */
  name?: any;
  category?: any;
  /** alias: the old id. */
  from?: string | undefined;
  /** Traits of identify and group. */
  traits?: Dict | undefined;
  properties?: any;
  options?: any;
  callback?: ((event: Dict) => void) | undefined;
}

const text = (value: unknown): any => (isString(value) || value == null ? value : JSON.stringify(value));

export const readCall = (type: Call['type'], given: any[]): Call => {
  const at = given.findIndex(isFunction);
  const callback = given[at];
  // Whatever follows the callback is ignored.
  let [a, b, c, d] = (at < 0 ? given : given.slice(0, at)).map(clone);
  if (type === 'track') return { type, callback, name: a, properties: b == null ? {} : b, options: c };
  if (type === 'page') {
    // A lone text is the name: a category only exists together with one.
    if (isObject(a)) [a, b, c, d] = [undefined, undefined, a, b];
    else if (isObject(b)) [a, b, c, d] = [undefined, isString(a) ? a : undefined, b, c];
    else if (isString(a) && !isString(b)) [a, b] = [undefined, a];
    const properties: Dict = isObject(c) ? c : {};
    if (isString(b) && b) properties.name = b;
    if (isString(a) && a) properties.category = a;
    return { type, callback, name: b, category: a, properties, options: d };
  }
  if (type === 'alias') {
    if (isObject(b) || b === null) [b, c] = [undefined, b];
    return { type, callback, id: text(a), from: text(b), options: c };
  }
  if (isObject(a) || a === null) [a, b, c] = [null, a, b];
  return { type, callback, id: text(a), traits: isObject(b) ? b : undefined, options: c };
};
