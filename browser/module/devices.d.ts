/** Destinations that are served in the page: Pendo, and integrations that the page adds itself. */
import { type Analytics, type Home } from './pendo';
import { type Dict } from './util';
export declare const limitEarly: (max: unknown) => void;
export declare const addCustom: (id: string, integration: any) => void;
/** Loads what the source configuration, the page and the person allow; `ready` comes when all are ready or failed. */
export declare const openDevices: (destinations: Dict[], overrides: Dict[], integrations: Dict, analytics: Analytics, home: Home, ready: () => void) => void;
/** `own`: the traits that a group call itself brought. */
export declare const toDevices: (message: Dict, own: Dict | undefined) => void;
export declare const forgetEarly: () => void;
/** After `reset()`. */
export declare const watchDevices: () => void;
/** In hybrid mode the server must name somebody unknown as the agent in the page does. */
export declare const nameVisitor: (message: Dict) => void;
