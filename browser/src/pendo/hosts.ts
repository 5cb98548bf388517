/** Pendo's hosts by region: where the agent's script comes from, and where it sends to. */

import type { Dict } from '../util';

const REGIONS: Record<string, string> = { us: '.pendo', us1: '.pendo', eu: '.eu.pendo', jp: '.jpn.pendo', au: '.au.pendo' };

export const pendoHosts = (config: Dict): { content: string; data: string } => {
  const region = REGIONS[config.region] ? config.region : 'us';
  const host = (role: string): string => `https://${region === 'us1' ? 'us1.' : ''}${role}${REGIONS[region]}.io`;
  const own = config.hosts || {};
  return { content: own.content || host('cdn'), data: own.data || host('data') };
};
