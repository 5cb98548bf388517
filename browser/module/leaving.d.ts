import { type Dict } from './util';
/** The option `autoTrack`: a track call when the page goes. */
export declare const trackLeaving: ({ autoTrack }: Dict, view: Dict, sdk: Dict) => void;
