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

export const readCall = (type: Call['type'], given: unknown[]): Call => {
  const at = given.findIndex(isFunction);
  const callback = (at < 0 ? undefined : given[at]) as Call['callback'];
  // Whatever follows the callback is ignored.
  const [a, b, c, d] = (at < 0 ? given : given.slice(0, at)).map(clone) as any[];
  const call = (rest: Partial<Call>): Call => Object.assign({ type, callback }, rest);
  if (type === 'track') return call({ name: a, properties: b == null ? {} : b, options: c });
  if (type === 'alias') {
    const shifted = isObject(b) || b === null;
    return call({ id: text(a), from: shifted ? undefined : text(b), options: shifted ? b : c });
  }
  if (type === 'page') {
    if (isObject(a)) return page(call({ properties: a, options: b }));
    if (isObject(b)) return page(call({ name: isString(a) ? a : undefined, properties: b, options: c }));
    const alone = isString(a) && !isString(b);
    return page(call({ name: alone ? a : b, category: alone ? undefined : a, properties: c, options: d }));
  }
  const shifted = isObject(a) || a === null;
  const traits = shifted ? a : b;
  return call({ id: shifted ? null : text(a), traits: isObject(traits) ? traits : undefined, options: shifted ? b : c });
};

/** Name and category also travel in the properties. */
const page = (call: Call): Call => {
  const properties: Dict = isObject(call.properties) ? call.properties : {};
  if (isString(call.name) && call.name) properties.name = call.name;
  if (isString(call.category) && call.category) properties.category = call.category;
  call.properties = properties;
  return call;
};
