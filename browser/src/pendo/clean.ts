/**
 * Cleaning of traits for visitors, accounts and parent accounts: rules C1 to C7 of contracts/pendo.md, as the server does it.
 * tests/data/traits.json holds the cases that both are tested with.
 */

import { isList, isObject, isString, keys, type Dict } from '../util';
import { asDate, isDateKey } from './dates';

const DEPTH_MAX = 5;
const KEY_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 1500;

interface Leaf {
  key: string;
  value: unknown;
  /** 2: the key needed no change, 1: a top-level key, 0: a flattened one. */
  rank: number;
}

/** `settings`: the destination's `metadataGroup` and `nestedTraits`. */
export const cleanTraits = (traits: Dict, settings: Dict, leftOut?: unknown): Dict => {
  const leaves: Record<string, Leaf> = {};
  const offer = (key: string, value: unknown, depth: number): void => {
    if (isObject(value)) {
      if (settings.nestedTraits !== 'drop' && depth < DEPTH_MAX && key.length <= KEY_CHARS_MAX) {
        for (const name of keys(value)) offer(key + '_' + name, value[name], depth + 1);
      }
      return;
    }
    const name = cleanKey(key);
    const rank = depth ? 0 : name === key ? 2 : 1;
    // Of keys that become equal the later wins, unless the earlier needed less change.
    if (name && !(leaves[name] && leaves[name].rank > rank)) leaves[name] = { key, value, rank };
  };
  for (const key of keys(traits)) {
    // The id of the visitor or account always wins, so a trait of that name never travels.
    if (key !== leftOut && cleanKey(key) !== 'id') offer(key, traits[key], 0);
  }
  const values: Dict = {};
  for (const name of keys(leaves)) {
    const { key, value } = leaves[name]!;
    let cleaned: unknown;
    if (isList(value)) {
      const items = value.map(scalar).filter((item) => item !== undefined);
      cleaned = settings.metadataGroup === 'custom' ? scalar(items.join(',')) : items;
    } else cleaned = scalar((isDateKey(key) && asDate(value)) || value);
    if (cleaned !== undefined) values[name] = cleaned;
  }
  return values;
};

/** A field's name as Pendo stores it; '' when no ASCII letter or digit is in it. */
const cleanKey = (key: string): string => {
  const name = key.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/\W/gu, '_');
  return /[A-Za-z\d]/.test(name) ? name.replace(/^(?=\d)/, '_').toLowerCase() : '';
};

/** Texts within their bound, finite numbers and booleans; undefined for anything else. */
const scalar = (value: unknown): unknown =>
  isString(value)
    ? Array.from(value).slice(0, TEXT_CHARS_MAX).join('')
    : Number.isFinite(value) || typeof value === 'boolean'
      ? value
      : undefined;
