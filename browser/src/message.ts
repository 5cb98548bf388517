/** From a call to the event that is sent (contract, sections 3 and 4). */

import { browserContext } from './context';
import { anonymousId, reset } from './identity';
import { touchSession } from './session';
import { shared, view } from './shared';
import { read, write, type Entry } from './storage';
import { assign, clone, isFilled, isObject, isString, json, keys, merge, page, uuid, type Dict } from './util';
import { VERSION as version } from './version';

export type EventType = 'identify' | 'track' | 'page' | 'group' | 'alias';

/** RudderStack's name, which other systems filter by; the version and the variant are our own. */
const name = 'RudderLabs JavaScript SDK';
export const app: Dict = { name, namespace: 'com.rudderlabs.javascript', version };

/** Merges what a page gives into a context; reserved names and those that reach a prototype are refused. */
export const mergeContext = (context: Dict, given: unknown): Dict => {
  const copy = clone(given);
  if (!isObject(copy) || /"(constructor|prototype)":/.test(json(copy))) return context;
  for (const key of ['library', 'consentManagement', 'userAgent', 'ua-ch', 'screen']) delete copy[key];
  return merge(context, copy);
};

const text = (value: unknown): any => (isString(value) || value == null ? value : json(value));

/** Tells the overloads apart as RudderStack's SDK does, keeps who is named, and makes the event of values that are its own; `own` are the traits that the call itself brought. */
export const readCall = (type: EventType, given: unknown[], originalTimestamp: string, details: Dict): [message: Dict, own: Dict] => {
  let [a, b, c, d]: any[] = given;
  let id: any;
  let traits: any;
  const message: Dict = {
    // First, so that the queue sees it without reading the event.
    type,
    channel: 'web',
    event: null,
    properties: null,
    originalTimestamp,
    messageId: uuid(),
    integrations: { All: true },
  };
  if (type === 'track') {
    // A number counts as a name.
    message.event = ((isString(a) || a === +a) && a + '') || null;
    message.properties = b == null ? {} : b;
  } else if (type === 'page') {
    // A lone text is the name: a category only exists together with one.
    if (isObject(a)) [a, b, c, d] = [, , a, b];
    else if (isObject(b)) [a, b, c, d] = [, isString(a) ? a : undefined, b, c];
    else if (isString(a) && !isString(b)) [a, b] = [, a];
    c = isObject(c) ? c : {};
    message.name = b;
    message.category = a;
    if (isString(b) && b) c.name = b;
    if (isString(a) && a) c.category = a;
    message.properties = c;
    c = d;
  } else if (type === 'alias') {
    if (isObject(b) || b === null) [b, c] = [, b];
    id = text(a);
    message.previousId = b === undefined ? read('userId') || anonymousId() : text(b);
  } else {
    // null in the place of the id: it stays. Missing traits empty the stored ones.
    if (isObject(a) || a === null) [a, b, c] = [null, a, b];
    id = text(a);
    traits = isObject(b) && b;
    const who = type === 'group' ? type : 'user';
    const known = read('userId');
    if (who === 'user' && id && known && id !== known) reset();
    if (id !== null) write(`${who}Id`, id || '');
    const entry: Entry = `${who}Traits`;
    write(entry, traits ? merge(read(entry) || {}, traits) : {});
  }
  const isGroup = type === 'group';
  const session = touchSession();
  details.initial_referrer = read('initialReferrer') || '';
  details.initial_referring_domain = read('initialReferringDomain') || '';
  const options: Dict = isObject(c) ? c : {};
  if (type === 'page') {
    const { properties } = message;
    for (const key of keys(details)) {
      if (properties[key] === undefined) properties[key] = (options.page || {})[key] || details[key];
      details[key] = properties[key] || details[key];
    }
  }
  if (isGroup) {
    message.groupId = id || read('groupId') || undefined;
    message.traits = read('groupTraits') || traits || {};
  }
  // With storage type `none` an identify still carries what it was given.
  message.userId = (!isGroup && id) || read('userId') || '';
  message.anonymousId = anonymousId();
  message.context = merge(
    assign(
      {
        traits: read('userTraits') || (!isGroup && traits) || {},
        sessionId: session.id,
        sessionStart: session.sessionStart || undefined,
        app,
        library: { name, version, variant: 'sternpost', snippetVersion: page.RudderSnippetVersion },
        page: details,
      },
      browserContext(),
      view,
    ),
    shared.custom,
  );
  // The call's own options win over what was built (contract 4.3).
  for (const key of keys(options)) {
    const value = options[key];
    if (/^(anonymousId|originalTimestamp|integrations)$/.test(key)) {
      if (isFilled(value) && (key === 'integrations' ? isObject : isString)(value)) message[key] = value;
    } else message.context = mergeContext(message.context, key === 'context' ? value : { [key]: value });
  }
  // What is undefined goes, as it would on the wire.
  return [clone(message), traits || {}];
};
