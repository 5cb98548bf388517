// The real server (`sternpost serve`) on a free port, with a workspace of its own and everything in a folder that goes away.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APP_KEY } from './sandbox.mjs';
import { until } from './server.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

export const SECRETS = { integrationKey: '33333333-3333-4333-8333-333333333333.us', trackEventSecret: '55555555-5555-4555-8555-555555555555' };

/** A web source and a Pendo destination; `more` overrides the parts of the document. */
export const workspace = (mode, settings, more = {}) => ({
  version: 1,
  sources: [
    { id: 'web', name: 'Web', type: 'web', writeKey: 'wk-web' },
    { id: 'off', name: 'Off', type: 'web', writeKey: 'wk-off', enabled: false },
  ],
  destinations: [{ id: 'pendo', name: 'Pendo', type: 'pendo', settings: { apiKey: APP_KEY, ...SECRETS, ...settings } }],
  connections: [{ source: 'web', destination: 'pendo', mode }],
  ...more,
});

/** `builds`: second files of former builds that the server has kept, by their marks. */
export const startSternpost = async (document, builds = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'sternpost-'));
  const file = join(folder, 'workspace.yaml');
  const write = (next) => {
    writeFileSync(file + '.new', JSON.stringify(next));
    renameSync(file + '.new', file);
  };
  write(document);
  const python = process.env.PYTHON || join(root, '.venv/bin/python');
  const data = join(folder, 'data');
  mkdirSync(join(data, 'browser'), { recursive: true });
  for (const [mark, code] of Object.entries(builds)) writeFileSync(join(data, 'browser', mark + '.js'), code);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STERNPOST_')));
  let said = '';
  const child = spawn(python, ['-m', 'sternpost', 'serve', '--port', '0', '--data-dir', data, '--workspace', file, '--no-open'], {
    cwd: folder,
    env: { ...inherited, PYTHONPATH: join(root, 'src'), PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const address = () => {
    try {
      return JSON.parse(readFileSync(join(data, 'server.json'), 'utf8')).url;
    } catch {
      return undefined;
    }
  };
  const url = await until(() => address(), 30000, () => said);
  const token = readFileSync(join(data, 'api-token'), 'utf8').trim();
  const api = async (path) => (await fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } })).json();
  return {
    url,
    write,
    api,
    said: () => said,
    /** The fate of every event at Pendo: [type, state, reason], in the order of acceptance. */
    async fates() {
      const { events } = await api('events?limit=500');
      return events.reverse().map((one) => {
        const standing = one.destinations.find(({ destination }) => destination === 'pendo') || {};
        return [one.event.event || one.event.type, standing.state, standing.reason];
      });
    },
    close() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
