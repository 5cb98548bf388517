/** The second file of the script-tag build: sp.more.min.js. */

import { install } from './more';
import { attempt, page } from './util';
import { BUILD } from './version';

attempt(() => page.rudderanalytics.install(install, BUILD));
