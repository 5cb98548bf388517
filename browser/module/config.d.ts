/** The source's configuration: asked from the server until it answers. */
import { type Dict } from './util';
export declare const configAddress: (base: string, extra: Dict) => string;
/** Waits until there is one; `failed` is called after each attempt without. */
export declare const fetchConfig: (address: string, Authorization: string, own: any, failed: () => void) => Promise<Dict>;
