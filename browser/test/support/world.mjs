// What most browser tests need: a data plane, a site, a browser; closed at the end of the file.
import { after, before, beforeEach } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startPlane, startSite, STUBS } from './server.mjs';

/** `once`: what a file does a single time before its tests, which then only look at it. Without, each test starts with nothing. */
export const useWorld = ({ once, ...browser } = {}) => {
  const world = {};
  before(async () => {
    [world.plane, world.site, world.browser] = await Promise.all([startPlane(), startSite(), startBrowser(browser)]);
    if (once) await once();
  });
  if (!once) beforeEach(async () => {
    await world.browser.closePages();
    await world.plane.reset();
    world.site.pages = {};
    world.site.headers = {};
    world.browser.foreign.length = 0;
  });
  after(async () => {
    await world.browser.close();
    await Promise.all([world.plane.close(), world.site.close()]);
  });

  /** A page with the snippet and our SDK; `calls` is script text that runs before the SDK arrives. */
  world.snippet = (calls, { options = {}, script = 'sp.min.js', head = '' } = {}) =>
    `<!doctype html><html><head><title>t</title>${head}<script>${STUBS}
    rudderanalytics.load('wk-web', '${world.plane.url}', ${typeof options === 'string' ? options : JSON.stringify(options)});
    ${calls}</script><script async data-loader="RS_JS_SDK" src="${world.plane.url}/lib/${script}"></script></head><body><p>x</p></body></html>`;

  /** A page with a genuine SDK. */
  world.genuine = (version, calls, options = {}, before = '') =>
    `<!doctype html><html><head><title>t</title></head><body><script src="${world.plane.url}/${version}.js"></script><script>
    ${version === 'v3' ? 'new window.rudderanalytics.RudderAnalytics();' : ''}
    window.ra = window.rudderanalytics;
    ${before};
    ra.load('wk-web', '${world.plane.url}', Object.assign({configUrl: '${world.plane.url}', destSDKBaseURL: '${world.plane.url}/lib/js-integrations'}, ${JSON.stringify(options)}));
    ${calls}</script></body></html>`;

  world.show = async (path, html, context) => {
    world.site.pages[path] = html;
    context = context || (await world.browser.visitor());
    const page = await world.browser.open(context, world.site.url + path);
    return page;
  };
  return world;
};
