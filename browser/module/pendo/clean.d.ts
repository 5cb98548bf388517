/**
 * Cleaning of traits for visitors, accounts and parent accounts: rules C1 to C7 of contracts/pendo.md, as the server does it.
 * tests/data/traits.json holds the cases that both are tested with.
 */
import { type Dict } from '../util';
export interface CleanSettings {
    metadataGroup?: string;
    nestedTraits?: string;
}
export declare const cleanTraits: (traits: Dict, settings: CleanSettings, leftOut?: unknown) => Dict;
