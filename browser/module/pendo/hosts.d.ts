/** Pendo's hosts by region: where the agent's script comes from, and where it sends to. */
import type { Dict } from '../util';
export declare const pendoHosts: (config: Dict) => {
    content: string;
    data: string;
};
