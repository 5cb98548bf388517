/** Pendo's hosts by region: where the agent's script comes from, and where it sends to. Our server names them; this is for others. */
import type { Dict } from '../util';
export declare const pendoHost: ({ hosts, region }: Dict, role: 'content' | 'data', name: string) => string;
