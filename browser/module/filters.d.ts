/** Whether an event may go to a destination: the destination's event list and the `integrations` object (contract 9.1, 9.2). */
import { type Dict } from './util';
/** Track events only; trimmed on both sides, case matters. */
export declare const passesList: (config: Dict, message: Dict) => boolean;
/** The key is the exact display name; a refusal under another spelling counts too, a permission does not. */
export declare const isIntegrated: (integrations: Dict, name: string) => boolean;
