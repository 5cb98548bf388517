/** Pendo's hosts by region: where the agent's script comes from, and where it sends to. */

import type { Dict } from '../util';

const INFIX: Dict = { eu: '.eu', jp: '.jpn', au: '.au' };

export const pendoHost = (config: Dict, role: 'content' | 'data'): string =>
  (config.hosts || {})[role] ||
  `https://${config.region === 'us1' ? 'us1.' : ''}${role === 'data' ? role : 'cdn'}${INFIX[config.region] || ''}.pendo.io`;
