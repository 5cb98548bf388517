/** The source's configuration: asked from the server until it answers. */
import { type Dict } from './util';
export declare const configAddress: (base: string, writeKey: string, version: string, installType: string) => string;
/** Calls `take` once with the configuration, and `failed` after each attempt without one. */
export declare const fetchConfig: (address: string | undefined, writeKey: string, own: unknown, take: (config: Dict) => void, failed: () => void, waitMs?: number) => void;
