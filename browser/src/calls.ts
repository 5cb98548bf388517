/** The overloads of the five event calls, told apart as RudderStack's SDK does. */

import { log, WARN } from './log';
import { clone, isFunction, isObject, isString, json, type Dict } from './util';

export type EventType = 'identify' | 'track' | 'page' | 'group' | 'alias';

export interface Call {
  type: EventType;
  /** What the call itself puts into the message. */
  message: Dict;
  /** userId or groupId; null = "not given, keep the present one". */
  id?: any;
  /** Traits of identify and group. */
  traits?: Dict | undefined;
  options: Dict;
  callback?: ((event: Dict) => void) | undefined;
}

const text = (value: unknown): any => (isString(value) || value == null ? value : json(value));

export const readCall = (type: EventType, given: any[]): Call => {
  const at = given.findIndex(isFunction);
  // Whatever follows the callback is ignored.
  let [a, b, c, d] = given.slice(0, at < 0 ? 4 : at).map(clone);
  const message: Dict = { event: null, properties: null };
  let id: any;
  let traits: Dict | undefined;
  if (type === 'track') {
    // A number counts as a name.
    message.event = ((isString(a) || a === +a) && a + '') || null;
    if (!message.event) log(WARN, 'track needs a name');
    message.properties = b == null ? {} : b;
  } else if (type === 'page') {
    // A lone text is the name: a category only exists together with one.
    if (isObject(a)) [a, b, c, d] = [undefined, undefined, a, b];
    else if (isObject(b)) [a, b, c, d] = [undefined, isString(a) ? a : undefined, b, c];
    else if (isString(a) && !isString(b)) [a, b] = [undefined, a];
    c = isObject(c) ? c : {};
    if (isString(b) && b) c.name = b;
    if (isString(a) && a) c.category = a;
    message.name = b;
    message.category = a;
    message.properties = c;
    c = d;
  } else if (type === 'alias') {
    if (isObject(b) || b === null) [b, c] = [undefined, b];
    if (a != null) message.userId = text(a);
    message.previousId = text(b);
  } else {
    if (isObject(a) || a === null) [a, b, c] = [null, a, b];
    id = text(a);
    traits = isObject(b) ? b : undefined;
  }
  return { type, message, id, traits, options: isObject(c) ? c : {}, callback: given[at] };
};
