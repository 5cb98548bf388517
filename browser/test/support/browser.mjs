// Debian's Chromium, able to reach this machine only; a page that asks for another host fails its test.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];

/** `backForward`: with the back/forward cache, which Playwright switches off. */
export const startBrowser = async ({ backForward = false } = {}) => {
  const ignoreDefaultArgs = backForward ? ['--disable-back-forward-cache'] : [];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS, ignoreDefaultArgs });
  const foreign = [];
  const contexts = new Set();
  return {
    close: () => browser.close(),
    /** Pages of the test before must not speak into the next. */
    closePages: async () => {
      await Promise.all([...contexts].map((context) => context.close()));
      contexts.clear();
    },
    foreign,
    /** A visitor of their own: storage, cookies. */
    async visitor(options = {}) {
      const context = await browser.newContext(options);
      contexts.add(context);
      context.on('request', (request) => {
        const url = new URL(request.url());
        if (/^https?:$/.test(url.protocol) && url.hostname !== '127.0.0.1') foreign.push(request.url());
      });
      context.setDefaultTimeout(10000);
      return context;
    },
    async open(context, url, init) {
      const page = await context.newPage();
      page.problems = [];
      page.consoleLines = [];
      page.on('pageerror', (error) => page.problems.push(String(error)));
      page.on('console', (line) => page.consoleLines.push(line.text()));
      if (init) await page.addInitScript(init);
      await page.goto(url);
      return page;
    },
    assertLocal() {
      assert.deepEqual(foreign, []);
    },
  };
};
