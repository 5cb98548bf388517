// The real sandbox, and two agents for it: its own stub, and the genuine one from the registry.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { until } from './server.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const APP_KEY = '11111111-1111-4111-8111-111111111111';

const freePort = () =>
  new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

export const startSandbox = async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const python = process.env.PYTHON || join(root, '.venv/bin/python');
  const child = spawn(python, ['-m', 'uvicorn', '--factory', 'sternpost.sandbox.app:create_app', '--port', String(port), '--log-level', 'error'], {
    cwd: root,
    env: { ...process.env, PYTHONPATH: join(root, 'src') },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const call = async (path, body) => {
    const answer = await fetch(url + '/__sandbox/' + path, body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) });
    return answer.json();
  };
  await until(() => call('state').catch(() => false), 15000, 'the sandbox');
  return {
    url,
    close: () => child.kill(),
    reset: () => call('reset', {}),
    state: () => call('state'),
    requests: () => call('requests'),
    events: (type) => call('events?type=' + type),
  };
};

/** The genuine agent as the `pendo.js` that a page loads: takes the key from its own address. */
export const genuineAgent = async (dataUrl) => {
  const hosts = { server: dataUrl, dataHost: dataUrl, assetHost: dataUrl, contentHost: dataUrl, designerServer: dataUrl };
  const result = await build({
    stdin: {
      contents: `import { loadAgent } from '@pendo/agent/dist/pendo.module.min.js';
        loadAgent({ apiKey: document.currentScript.src.split('/')[5], env: 'prod', blockAgentMetadata: false, ...${JSON.stringify(hosts)} });`,
      resolveDir: join(root, 'browser'),
    },
    bundle: true,
    write: false,
    format: 'iife',
    logLevel: 'error',
    loader: { '.json': 'json' },
  });
  return result.outputFiles[0].text;
};
