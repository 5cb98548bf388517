/** From a call to the event that is sent (contract, section 4). */

import type { Call } from './calls';
import { browserContext, pageProperties } from './context';
import { warn } from './log';
import { read } from './storage';
import { clone, isFilled, isObject, isString, iso, merge, uuid, type Dict } from './util';

export const NAME = 'RudderLabs JavaScript SDK';
/** RudderStack's names, which other systems filter by; our own version. */
const APP = { name: NAME, namespace: 'com.rudderlabs.javascript' };

const RESERVED_CONTEXT = ['library', 'consentManagement', 'userAgent', 'ua-ch', 'screen'];
const RESERVED_TRAITS =
  /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;

/** What is the same for all events of a page view. */
export interface Settings {
  version: string;
  installType: 'cdn' | 'npm';
  integrations?: Dict | undefined;
  hints?: unknown;
  /** Nothing may be stored at all. */
  trulyAnonymous?: boolean;
  autoTrack?: Dict | undefined;
}

let custom: Dict = {};
export const customContext = (): Dict => clone(custom);
export const clearCustomContext = (): void => {
  custom = {};
};
export const setCustomContext = (given: unknown): void => {
  custom = withoutNulls(mergeContext(custom, given));
};

const withoutNulls = (value: Dict): Dict =>
  JSON.parse(JSON.stringify(value, (_, entry) => (entry === null ? undefined : entry)));

/** Merges what a page gives into a context; reserved names and those that reach a prototype are refused. */
const mergeContext = (context: Dict, given: unknown): Dict => {
  const copy = clone(given);
  if (!isObject(copy) || /"(constructor|prototype)":/.test(JSON.stringify(copy))) {
    warn('a context is a plain object', given);
    return context;
  }
  for (const key of RESERVED_CONTEXT) {
    if (key in copy) {
      warn(key + ' in the context is reserved');
      delete copy[key];
    }
  }
  return merge(context, copy);
};

export const buildMessage = (call: Call, session: Dict, settings: Settings, consent: Dict | undefined): Dict => {
  const { type, options } = call;
  const message: Dict = { type, channel: 'web' };
  const userTraits = read('userTraits');
  let properties = call.properties;
  if (type === 'page') {
    const defaults = pageProperties();
    const given = (isObject(options) && options.page) || {};
    for (const key of Object.keys(defaults)) {
      if (properties[key] === undefined) properties[key] = given[key] || defaults[key];
    }
    message.name = call.name;
    message.category = call.category;
  }
  const context: Dict = {
    // With storage type `none` an identify still carries what it was given.
    traits: clone(userTraits || (type === 'identify' && call.traits) || {}),
    sessionId: session.id || undefined,
    sessionStart: session.sessionStart || undefined,
    consentManagement: consent,
    'ua-ch': settings.hints,
    app: Object.assign({ version: settings.version, installType: settings.installType }, APP),
    library: {
      name: NAME,
      version: settings.version,
      variant: 'sternpost',
      snippetVersion: (window as Dict).RudderSnippetVersion,
    },
    trulyAnonymousTracking: settings.trulyAnonymous || undefined,
    autoTrack: settings.autoTrack,
  };
  Object.assign(context, browserContext(type === 'page' ? properties : {}));
  message.originalTimestamp = iso();
  message.messageId = uuid();
  message.userId = (type === 'identify' || type === 'alias' ? call.id : '') || read('userId') || '';
  message.anonymousId = read('anonymousId') || uuid();
  message.event = null;
  if (type === 'alias') {
    message.userId = call.id == null ? message.userId : call.id;
    message.previousId = call.from;
  }
  if (type === 'group') {
    message.groupId = call.id || read('groupId') || undefined;
    message.traits = clone(read('groupTraits') || call.traits || {});
  }
  if (type === 'track') {
    message.event = eventName(call.name);
  }
  message.properties = properties === undefined ? null : properties;
  message.context = merge(context, custom);
  if (isObject(options)) applyOptions(message, options);
  for (const holder of [message.properties, message.traits, message.context.traits]) {
    for (const key of Object.keys(isObject(holder) ? holder : {})) {
      if (RESERVED_TRAITS.test(key)) warn(key + ' is a reserved name');
    }
  }
  message.integrations = settings.integrations || message.integrations || { All: true };
  // What is undefined goes, as it would on the wire.
  return clone(message);
};

const eventName = (name: unknown): string | null => {
  const text = typeof name === 'number' ? String(name) : name;
  if (isString(text) && text) return text;
  warn('track needs the name of the event');
  return null;
};

/** The call's own options, which win over what was built (contract 4.3). */
const applyOptions = (message: Dict, options: Dict): void => {
  for (const key of Object.keys(options)) {
    const value = options[key];
    if (key === 'anonymousId' || key === 'originalTimestamp') {
      if (isString(value) && value) message[key] = value;
    } else if (key === 'integrations') {
      if (isFilled(value)) message[key] = value;
    } else {
      message.context = mergeContext(message.context, key === 'context' ? value : { [key]: value });
    }
  }
};
