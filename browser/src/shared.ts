/** What the second file (more.ts) reads and replaces; what stands here holds for a page that asks for nothing of it. */

import { clone, type Dict } from './util';

export const shared = {
  /** Merged into each event's context. */
  custom: {} as Dict,
  /** Nothing may be handed to a destination of the page (yet). */
  isClosed: false,
  /** Takes an event to the queue. */
  send: (_message: Dict): void => {},
  /** Before anything is opened. */
  begin: (_options: Dict, _configBase: string): void => {},
  /** After the identity was opened. */
  opened: (): void => {},
  /** The anonymousId of somebody new. */
  firstId: (): string | undefined => undefined,
  /** When a session ends although it is active: its own wish of `load`, with what is stored. */
  cutOff: (_session: Dict, _timeoutMs: number): Dict | undefined => undefined,
  /** The destinations as the page and the person want them. */
  choose: (config: Dict): Dict[] => config.source.destinations,
  /** An integration that the page added. */
  adapt: (..._given: [id: string, config: Dict, analytics: Dict]): Dict | undefined => undefined,
};

/** The parts of each event's context that belong to the page view. */
export const view: Dict = {};

export const customContext = (): Dict => clone(shared.custom);
