/** Destinations that are served in the page: Pendo, and integrations that the page adds itself. */
import { type Analytics, type Home, type Parcel } from './pendo';
import { type Dict } from './util';
export declare const limitWaiting: (max: number) => void;
/** Loads what the source configuration, the page and the person allow; `ready` comes when all are ready or failed. */
export declare const openDevices: (destinations: Dict[], integrations: Dict, analytics: Analytics, home: Home, ready: () => void) => void;
export declare const toDevices: (parcel: Parcel) => void;
export declare const forgetWaiting: () => void;
/** After `reset()`. */
export declare const watchDevices: () => void;
/** In hybrid mode the server must name somebody unknown as the agent in the page does. */
export declare const nameVisitor: (message: Dict) => void;
