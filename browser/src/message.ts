/** From a call to the event that is sent (contract, section 4). */

import type { Call } from './calls';
import { browserContext, pageProperties } from './context';
import { log, WARN } from './log';
import { read } from './storage';
import { assign, clone, isObject, isString, iso, keys, merge, page, uuid, type Dict } from './util';

/** RudderStack's name, which other systems filter by; the version and the variant are our own. */
const name = 'RudderLabs JavaScript SDK';

const RESERVED_CONTEXT = ['library', 'consentManagement', 'userAgent', 'ua-ch', 'screen'];
const RESERVED_TRAIT =
  /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;

let custom: Dict = {};
export const customContext = (): Dict => clone(custom);
export const clearCustomContext = (): void => {
  custom = {};
};
/** `null` removes a key. */
export const setCustomContext = (given: unknown): void => {
  custom = JSON.parse(JSON.stringify(mergeContext(custom, given), (_, value) => (value === null ? undefined : value)));
};

/** Merges what a page gives into a context; reserved names and those that reach a prototype are refused. */
const mergeContext = (context: Dict, given: unknown): Dict => {
  const copy = clone(given);
  if (isObject(copy) && !/"(constructor|prototype)":/.test(JSON.stringify(copy))) {
    for (const key of RESERVED_CONTEXT) if (delete copy[key] && key in (given as Dict)) log(WARN, 'reserved:', key);
    return merge(context, copy);
  }
  log(WARN, 'bad context:', given);
  return context;
};

/** `extra`: the parts of the context that belong to the page view. */
export const buildMessage = (call: Call, session: Dict, version: string, installType: string, extra: Dict): Dict => {
  const { type, id, traits, properties } = call;
  const options: Dict = isObject(call.options) ? call.options : {};
  const isPage = type === 'page';
  const details = pageProperties();
  if (isPage) {
    for (const key of keys(details)) {
      if (properties[key] === undefined) properties[key] = (options.page || {})[key] || details[key];
      details[key] = properties[key] || details[key];
    }
  }
  const message: Dict = {
    // First, so that the queue sees it without reading the event.
    type,
    channel: 'web',
    name: isPage ? call.name : undefined,
    category: call.category,
    originalTimestamp: iso(),
    messageId: uuid(),
    userId: (type === 'identify' && id) || (type === 'alias' && id != null ? id : read('userId') || ''),
    anonymousId: read('anonymousId') || uuid(),
    previousId: call.from,
    event: null,
    properties: properties === undefined ? null : properties,
    integrations: { All: true },
    context: merge(
      assign(
        {
          // With storage type `none` an identify still carries what it was given.
          traits: read('userTraits') || (type === 'identify' && traits) || {},
          sessionId: session.id,
          sessionStart: session.sessionStart || undefined,
          app: { name, namespace: 'com.rudderlabs.javascript', version, installType },
          library: { name, version, variant: 'sternpost', snippetVersion: page.RudderSnippetVersion },
          page: details,
        },
        browserContext(),
        extra,
      ),
      custom,
    ),
  };
  if (type === 'group') {
    message.groupId = id || read('groupId') || undefined;
    message.traits = read('groupTraits') || traits || {};
  }
  if (type === 'track') {
    const event = typeof call.name === 'number' ? String(call.name) : call.name;
    if (isString(event) && event) message.event = event;
    else log(WARN, 'track needs a name');
  }
  // The call's own options win over what was built (contract 4.3).
  for (const key of keys(options)) {
    const value = options[key];
    if (/^(anonymousId|originalTimestamp)$/.test(key)) {
      if (isString(value) && value) message[key] = value;
    } else if (key === 'integrations') {
      if (isObject(value) && keys(value).length) message[key] = value;
    } else {
      message.context = mergeContext(message.context, key === 'context' ? value : { [key]: value });
    }
  }
  for (const key of keys(assign({}, message.properties, message.traits, message.context.traits))) {
    if (RESERVED_TRAIT.test(key)) log(WARN, 'reserved:', key);
  }
  // What is undefined goes, as it would on the wire.
  return clone(message);
};
