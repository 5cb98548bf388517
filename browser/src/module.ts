/** The ES module: `import { RudderAnalytics } from '@sternpost/browser'`. */

import { install } from './more';
import { createSdk } from './sdk';
import type { RudderAnalyticsApi } from './types';
import { page, type Dict } from './util';

export type * from './types';

let instance: Dict | undefined;

/** One object for the whole page, whatever number of times it is made; also set as `window.rudderanalytics`. */
export class RudderAnalytics {
  constructor() {
    if (!instance) {
      instance = createSdk('', 'npm', install);
      page.rudderanalytics = instance;
    }
    return instance as never;
  }
}
/** The class has the methods of the one object that it answers. */
export interface RudderAnalytics extends RudderAnalyticsApi {}
