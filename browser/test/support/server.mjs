// A recording data plane with /sourceConfig, and the pages of a site, on two ports: cross-origin requests are real.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const lib = join(here, '../../../src/sternpost/static/lib');
const require = createRequire(import.meta.url);
const npm = (name, path) => join(here, '../../node_modules', name, path);

const FILES = {
  '/lib/sp.min.js': join(lib, 'sp.min.js'),
  '/lib/sp.js': join(lib, 'sp.js'),
  '/lib/sp.more.min.js': join(lib, 'sp.more.min.js'),
  '/lib/sp.more.js': join(lib, 'sp.more.js'),
  '/lib/js-integrations/Pendo.min.js': join(lib, 'js-integrations/Pendo.min.js'),
  '/v3.js': npm('@rudderstack/analytics-js', 'dist/npm/modern/bundled/umd/index.js'),
  '/v2.js': npm('rudder-sdk-js', 'dist/npm/index.js'),
  '/module.js': join(here, '../../module/module.js'),
};

const listen = (handler) =>
  new Promise((done) => {
    const server = createServer(handler);
    server.listen(0, '127.0.0.1', () => done(server));
  });

export const pendoDestination = (config = {}) => ({
  id: 'pendo',
  name: 'Pendo',
  enabled: true,
  destinationDefinition: { name: 'PENDO', displayName: 'Pendo' },
  shouldApplyDeviceModeTransformation: false,
  propagateEventsUntransformedOnError: false,
  config: {
    apiKey: '11111111-1111-4111-8111-111111111111',
    useNativeSDK: true,
    connectionMode: 'device',
    eventFilteringOption: 'disable',
    whitelistedEvents: [],
    blacklistedEvents: [],
    consentManagement: [],
    anonymousVisitors: 'prefix',
    metadataGroup: 'agent',
    nestedTraits: 'flatten',
    ...config,
  },
});

export const sourceConfig = (destinations = [], source = {}) => ({
  source: {
    id: 'web',
    name: 'Web',
    writeKey: 'wk-web',
    workspaceId: 'w',
    enabled: true,
    config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
    destinations,
    ...source,
  },
});

/** The data plane: `requests` in order, `answer` decides, `config` is what /sourceConfig tells. */
export const startPlane = async () => {
  const plane = {
    requests: [],
    config: sourceConfig(),
    configStatus: 200,
    /** (request) => status, or {status, headers, delayMs, drop} */
    answer: () => 200,
    files: {},
  };
  let server;
  const handle = (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url, 'http://x');
      const body = Buffer.concat(chunks).toString();
      const entry = { at: Date.now(), method: request.method, path: url.pathname, query: url.search, headers: request.headers, body };
      const cors = {
        'access-control-allow-origin': request.headers.origin || '*',
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'retry-after',
      };
      if (request.method === 'OPTIONS') {
        entry.preflight = true;
        plane.requests.push(entry);
        response.writeHead(204, {
          ...cors,
          'access-control-allow-methods': 'GET, HEAD, POST',
          'access-control-allow-headers': request.headers['access-control-request-headers'] || '',
        });
        return response.end();
      }
      const file = FILES[url.pathname] || plane.files[url.pathname];
      if (file) {
        response.writeHead(200, { ...cors, 'content-type': 'text/javascript; charset=utf-8' });
        return response.end(typeof file === 'function' ? file() : readFileSync(file));
      }
      try {
        entry.json = JSON.parse(body);
      } catch {}
      plane.requests.push(entry);
      if (/^\/sourceConfig\/?$/.test(url.pathname)) {
        response.writeHead(plane.configStatus, { ...cors, 'content-type': 'application/json' });
        return response.end(JSON.stringify(plane.configStatus === 200 ? plane.config : { message: 'no' }));
      }
      if (url.pathname === '/lib/health') {
        response.writeHead(204, cors);
        return response.end();
      }
      let verdict = plane.answer(entry);
      if (typeof verdict === 'number') verdict = { status: verdict };
      entry.answered = verdict.status;
      setTimeout(() => {
        if (verdict.drop) return request.socket.destroy();
        response.writeHead(verdict.status, { ...cors, ...verdict.headers });
        response.end('OK');
      }, verdict.delayMs || 0);
    });
  };
  plane.close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
  /** As new, on another port: what pages of before still send (requests with keepalive outlive them) reaches nobody. */
  plane.reset = async () => {
    if (server) await plane.close();
    server = await listen(handle);
    plane.url = `http://127.0.0.1:${server.address().port}`;
    plane.requests.length = 0;
    plane.config = sourceConfig();
    plane.configStatus = 200;
    plane.answer = () => 200;
    plane.files = {};
  };
  /** Requests with events, the events with what travelled beside them. */
  plane.posts = () => plane.requests.filter((entry) => !entry.preflight && /^\/(beacon\/)?v1\//.test(entry.path));
  plane.events = () =>
    plane.posts().filter((entry) => entry.answered < 400).flatMap((entry) => (entry.json.batch ? entry.json.batch : [entry.json]));
  plane.names = () => plane.events().map((event) => event.event || event.type);
  await plane.reset();
  return plane;
};

const SNIPPET_METHODS = ['setDefaultInstanceKey', 'load', 'ready', 'page', 'track', 'identify', 'alias', 'group', 'reset', 'setAnonymousId', 'startSession', 'endSession', 'consent', 'addCustomIntegration'];

/** The documented snippet's array of stubs. */
export const STUBS = `window.RudderSnippetVersion='3.0.60';window.rudderanalytics=[];${JSON.stringify(SNIPPET_METHODS)}.forEach(function(m){window.rudderanalytics[m]=function(){window.rudderanalytics.push([m].concat(Array.prototype.slice.call(arguments)))}});`;

/** A site: any path answers the page that was put there. */
export const startSite = async () => {
  const site = { pages: {}, headers: {} };
  const server = await listen((request, response) => {
    const path = request.url.split('?')[0];
    const html = site.pages[path];
    response.writeHead(html === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8', ...site.headers });
    response.end(html || '');
  });
  site.url = `http://127.0.0.1:${server.address().port}`;
  site.close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
  return site;
};

export const until = async (check, ms = 8000, what = 'condition') => {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error('timed out: ' + (typeof what === 'function' ? what() : what));
    await new Promise((done) => setTimeout(done, 20));
  }
};
