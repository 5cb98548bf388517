/** Pendo's hosts by region: where the agent's script comes from, and where it sends to. */
import type { Dict } from '../util';
export declare const pendoHost: (config: Dict, role: 'content' | 'data') => string;
