/**
 * Cleaning of traits for visitors, accounts and parent accounts: rules C1 to C7 of contracts/pendo.md, as the server does it.
 * tests/data/traits.json holds the cases that both are tested with.
 */
import { type Dict } from '../util';
/** `settings`: the destination's `metadataGroup` and `nestedTraits`. */
export declare const cleanTraits: (traits: Dict, settings: Dict, leftOut?: unknown) => Dict;
