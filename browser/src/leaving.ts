import { now, on, uuid, type Dict } from './util';

const startedAt = now();

/** The option `autoTrack`: a track call when the page goes. */
export const trackLeaving = ({ autoTrack = {} }: Dict, view: Dict, sdk: Dict): void => {
  const { enabled, options: common, pageLifecycle = {} } = autoTrack;
  const { enabled: own = enabled, events = [], options: wish = common } = pageLifecycle;
  if (own || enabled) view.autoTrack = own ? { page: { pageViewId: uuid() } } : {};
  if (own && (!events[0] || events.includes('Page Unloaded'))) {
    // Capturing: before delivery sends what is left.
    on(window, 'pagehide', () => sdk.track('Page Unloaded', { timeOnPage: now() - startedAt }, wish), true);
  }
};
