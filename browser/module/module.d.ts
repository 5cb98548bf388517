/** The ES module: `import { RudderAnalytics } from '@sternpost/browser'`. */
import type { RudderAnalyticsApi } from './types.js';
export type * from './types.js';
/** One object for the whole page, whatever number of times it is made; also set as `window.rudderanalytics`. */
export declare class RudderAnalytics {
    constructor();
}
/** The class has the methods of the one object that it answers. */
export interface RudderAnalytics extends RudderAnalyticsApi {
}
