/** Pendo's hosts by region: where the agent's script comes from, and where it sends to. Our server names them; this is for others. */

import type { Dict } from '../util';

const INFIX: Dict = { eu: '.eu', jp: '.jpn', au: '.au' };

export const pendoHost = ({ hosts, region }: Dict, role: 'content' | 'data', name: string): string =>
  (hosts || {})[role] || `https://${region === 'us1' ? 'us1.' : ''}${name}${INFIX[region] || ''}.pendo.io`;
