/**
 * Cleaning of traits for visitors, accounts and parent accounts: rules C1 to C7 of contracts/pendo.md, as the server does it.
 * tests/data/traits.json holds the cases that both are tested with.
 */

import { isList, isObject, type Dict } from '../util';
import { asDate, isDateKey } from './dates';

const DEPTH_MAX = 5;
const KEY_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 1500;

export interface CleanSettings {
  metadataGroup?: string;
  nestedTraits?: string;
}

interface Leaf {
  key: string;
  value: unknown;
  /** 2: the key needed no change, 1: a top-level key, 0: a flattened one. */
  rank: number;
}

export const cleanTraits = (traits: Dict, settings: CleanSettings, leftOut?: unknown): Dict => {
  const leaves: Record<string, Leaf> = {};
  const offer = (key: string, value: unknown, flattened: boolean): void => {
    const name = cleanKey(key);
    const rank = flattened ? 0 : name === key ? 2 : 1;
    // Of keys that become equal the later wins, unless the earlier needed less change.
    if (name && !(leaves[name] && leaves[name].rank > rank)) leaves[name] = { key, value, rank };
  };
  const flatten = (key: string, value: unknown, depth: number): void => {
    if (!isObject(value)) offer(key, value, true);
    else if (depth <= DEPTH_MAX && key.length <= KEY_CHARS_MAX) {
      for (const name of Object.keys(value)) flatten(key + '_' + name, value[name], depth + 1);
    }
  };
  for (const key of Object.keys(traits)) {
    const value = traits[key];
    // The id of the visitor or account always wins, so a trait of that name never travels.
    if (key === leftOut || cleanKey(key) === 'id') continue;
    if (!isObject(value)) offer(key, value, false);
    else if (settings.nestedTraits !== 'drop') flatten(key, value, 1);
  }
  const values: Dict = {};
  for (const name of Object.keys(leaves)) {
    const value = cleanValue(leaves[name]!, settings);
    if (value !== undefined) values[name] = value;
  }
  return values;
};

/** A field's name as Pendo stores it; '' when no ASCII letter or digit is in it. */
const cleanKey = (key: string): string => {
  const name = key.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/\W/gu, '_');
  if (!/[A-Za-z\d]/.test(name)) return '';
  return (/^\d/.test(name) ? '_' + name : name).toLowerCase();
};

const cleanValue = ({ key, value }: Leaf, settings: CleanSettings): unknown => {
  if (isList(value)) {
    const items = value.map(scalar).filter((item) => item !== undefined);
    return settings.metadataGroup === 'custom' ? scalar(items.join(',')) : items;
  }
  return scalar((isDateKey(key) && asDate(value)) || value);
};

/** Texts within their bound, finite numbers and booleans; undefined for anything else. */
const scalar = (value: unknown): unknown => {
  if (typeof value === 'string') {
    return value.length > TEXT_CHARS_MAX ? Array.from(value).slice(0, TEXT_CHARS_MAX).join('') : value;
  }
  return Number.isFinite(value) || typeof value === 'boolean' ? value : undefined;
};
