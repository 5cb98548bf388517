/**
 * Cleaning of traits for visitors, accounts and parent accounts: rules C1 to C7 of contracts/pendo.md, as the server does it.
 * tests/data/traits.json holds the cases that both are tested with.
 */

import { assign, clone, isList, isObject, isString, keys, type Dict } from '../util';
import { asDate, isDateKey } from './dates';

const DEPTH_MAX = 5;
const KEY_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 1500;

/** `settings`: the destination's `metadataGroup` and `nestedTraits`. */
export const cleanTraits = (traits: Dict, settings: Dict, leftOut?: unknown): Dict => {
  /** The rank is 2 for a key that needed no change, 1 for a top-level key, 0 for a flattened one. */
  const leaves: [rank: number, name: string, key: string, value: unknown][] = [];
  const offer = (values: Dict, prefix: string, depth: number): void => {
    for (const own of keys(values)) {
      const key = prefix + own;
      const value = values[own];
      const name = cleanKey(key);
      // The id of the visitor or account always wins, so a trait of that name never travels, nor what is in it.
      if (name === 'id') continue;
      if (!isObject(value)) leaves.push([depth ? 0 : 1 + +(name === key), name, key, value]);
      else if (settings.nestedTraits !== 'drop' && depth < DEPTH_MAX && key.length <= KEY_CHARS_MAX) offer(value, key + '_', depth + 1);
    }
  };
  offer(assign({}, traits, leftOut && { [leftOut as string]: undefined }), '', 0);
  const cleaned: Dict = {};
  // Of keys that become equal the later wins, unless the earlier needed less change.
  for (const [, name, key, value] of leaves.sort((left, right) => left[0] - right[0])) {
    const items = isList(value) && value.map(scalar).filter((item) => item !== undefined);
    cleaned[name] = items && settings.metadataGroup !== 'custom' ? items : scalar(items ? items.join() : (isDateKey(key) && asDate(value)) || value);
  }
  delete cleaned[''];
  // What is undefined goes.
  return clone(cleaned);
};

/** A field's name as Pendo stores it; '' when no ASCII letter or digit is in it. */
const cleanKey = (key: string): string => {
  const name = key.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/\W/gu, '_');
  return /[A-Za-z\d]/.test(name) ? name.replace(/^(?=\d)/, '_').toLowerCase() : '';
};

/** Texts within their bound, finite numbers and booleans; undefined for anything else. */
const scalar = (value: unknown): unknown =>
  isString(value)
    ? [...value].slice(0, TEXT_CHARS_MAX).join('')
    : Number.isFinite(value) || value === !!value
      ? value
      : undefined;
