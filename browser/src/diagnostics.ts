/** Warnings for developers: about what a page does that is allowed and hardly meant. */

import { warn } from './logger';
import type { Kit } from './more';
import { assign, attempt, isObject, json, keys, page, type Dict } from './util';

const RESERVED_TRAIT =
  /^(id|(anonymous|user|group|previous)_id|(sent|received)_at|(original_)?timestamp|event(_text)?|channel|context_(|request_|passed_)ip)$/i;
const RESERVED_CONTEXT = ['library', 'consentManagement', 'userAgent', 'ua-ch', 'screen'];
const LARGE = 32768;

const checkEvent = (message: Dict, names: string[]): void => {
  const parts = assign({}, message.context, message.traits, message.properties);
  if (message.type === 'track' && !message.event) warn('track needs a name');
  for (const key of keys(assign({}, message.properties, message.traits, message.context.traits))) {
    if (RESERVED_TRAIT.test(key)) warn('reserved:', key);
  }
  const size = (key: string): number => (json(parts[key]) || '').length;
  if (json(message).length > LARGE) warn('large:', keys(parts).sort((left, right) => size(right) - size(left))[0]);
  checkIntegrations(message.integrations, names);
};

const checkIntegrations = (integrations: Dict, names: string[]): void => {
  for (const key of keys(integrations)) {
    const name = names.find((one) => one !== key && one.toLowerCase() === key.toLowerCase());
    if (name && !integrations[key]) warn(key, 'is written', name);
  }
};

const checkContext = (given: any): void => {
  if (!isObject(given) || /"(constructor|prototype)":/.test(attempt(() => json(given)) || '')) warn('bad context:', given);
  else for (const key of RESERVED_CONTEXT) if (key in given) warn('reserved:', key);
};

export const checkOptions = ({ sessions = {}, storage = {}, integrations, useServerSideCookies }: Dict, names: string[]): void => {
  if (useServerSideCookies) warn('no useServerSideCookies');
  const { timeout, cutOff = {} } = sessions;
  if (timeout < 10000) warn('sessions.timeout', timeout);
  if (cutOff.duration < (timeout || 0)) warn('sessions.cutOff', cutOff.duration);
  const type = storage.type || 'cookieStorage';
  if (type === 'cookieStorage' ? !attempt(() => navigator.cookieEnabled) : /^(local|session)/.test(type) && !attempt(() => page[type])) warn('not available:', type);
  checkIntegrations(integrations, names);
};

/** Looks at what passes, and lets it pass. */
export const watchCalls = ([, commands, shared, , , , , , , , source]: Kit): void => {
  const names = (): string[] => ((source()[1] || { source: { destinations: [] } }).source.destinations as Dict[]).map((one) => one.destinationDefinition.displayName);
  const { send } = shared;
  shared.send = (message) => {
    attempt(() => checkEvent(message, names()));
    send(message);
  };
  const before = (name: string, check: (given: any[]) => void): void => {
    const command = commands[name]!;
    commands[name] = (given, at) => {
      attempt(() => check(given));
      command(given, at);
    };
  };
  before('startSession', ([id]) => id !== undefined && !(id > 999999999) && warn('startSession', id));
  before('setCustomContext', ([given]) => checkContext(given));
  for (const [name, first] of [['track', 2], ['page', 1], ['identify', 1], ['group', 1], ['alias', 1]] as const) {
    before(name, (given) => {
      const objects = given.slice(first).filter(isObject);
      // Traits and properties may use these names.
      const own = name === 'alias' || name === 'track' ? objects[0] : objects[isObject(given[0]) ? 0 : 1];
      for (const key of RESERVED_CONTEXT) if (own && (key in own || key in (own.context || {}))) warn('reserved:', key);
    });
  }
};
