/** From a call to the event that is sent (contract, section 4). */

import type { Call } from './calls';
import { browserContext, pageProperties } from './context';
import { log, WARN } from './log';
import { read } from './storage';
import { assign, clone, isFilled, isObject, isString, iso, json, keys, merge, page, uuid, type Dict } from './util';
import { VERSION as version } from './version';

/** RudderStack's name, which other systems filter by; the version and the variant are our own. */
const name = 'RudderLabs JavaScript SDK';

const RESERVED_TRAIT =
  /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;

let custom: Dict = {};
export const customContext = (): Dict => clone(custom);
export const clearCustomContext = (): void => {
  custom = {};
};
/** `null` removes a key. */
export const setCustomContext = (given: unknown): void => {
  custom = JSON.parse(json(mergeContext(custom, given), (_, value) => (value === null ? undefined : value)));
};

/** Merges what a page gives into a context; reserved names and those that reach a prototype are refused. */
const mergeContext = (context: Dict, given: unknown): Dict => {
  const copy = clone(given);
  if (!isObject(copy) || /"(constructor|prototype)":/.test(json(copy))) {
    log(WARN, 'bad context:', given);
    return context;
  }
  for (const key of ['library', 'consentManagement', 'userAgent', 'ua-ch', 'screen']) {
    if (key in copy) log(WARN, 'reserved:', key);
    delete copy[key];
  }
  return merge(context, copy);
};

/** `extra`: the parts of the context that belong to the page view. */
export const buildMessage = ({ type, message: own, id, traits, options }: Call, session: Dict, installType: string, extra: Dict): Dict => {
  const details = pageProperties();
  if (type === 'page') {
    const { properties } = own;
    for (const key of keys(details)) {
      if (properties[key] === undefined) properties[key] = (options.page || {})[key] || details[key];
      details[key] = properties[key] || details[key];
    }
  }
  const isIdentify = type === 'identify';
  const message: Dict = assign(
    {
      // First, so that the queue sees it without reading the event.
      type,
      channel: 'web',
      originalTimestamp: iso(),
      messageId: uuid(),
      userId: (isIdentify && id) || read('userId') || '',
      anonymousId: read('anonymousId') || uuid(),
      integrations: { All: true },
      context: merge(
        assign(
          {
            // With storage type `none` an identify still carries what it was given.
            traits: read('userTraits') || (isIdentify && traits) || {},
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
    },
    own,
  );
  if (type === 'group') {
    message.groupId = id || read('groupId') || undefined;
    message.traits = read('groupTraits') || traits || {};
  }
  // The call's own options win over what was built (contract 4.3).
  for (const key of keys(options)) {
    const value = options[key];
    if (/^(anonymousId|originalTimestamp|integrations)$/.test(key)) {
      if (isFilled(value) && (key === 'integrations' ? isObject : isString)(value)) message[key] = value;
    } else message.context = mergeContext(message.context, key === 'context' ? value : { [key]: value });
  }
  for (const key of keys(assign({}, message.properties, message.traits, message.context.traits))) {
    if (RESERVED_TRAIT.test(key)) log(WARN, 'reserved:', key);
  }
  // What is undefined goes, as it would on the wire.
  return clone(message);
};
