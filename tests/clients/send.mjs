// Makes the calls that it reads as JSON from standard input with a published Node.js SDK, and ends when they are acknowledged.
//
//   {"sdk": "rudder" | "segment", "url": "…", "writeKey": "…", "options": {…}, "each": true, "calls": [["identify", {…}], …]}
//
// `each`: every call is flushed before the next one is made; otherwise all travel together.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const order = JSON.parse(readFileSync(0, 'utf8'));

async function withRudder() {
  const Analytics = require('@rudderstack/rudder-sdk-node');
  const client = new Analytics(order.writeKey, { dataPlaneUrl: order.url, logLevel: 'error', ...order.options });
  const acknowledged = [];
  for (const [type, message] of order.calls) {
    acknowledged.push(new Promise((done, failed) => {
      client[type](message, (error) => (error ? failed(error) : done()));
    }));
    if (order.each) {
      await client.flush();
    }
  }
  await client.flush();
  await Promise.all(acknowledged);
}

async function withSegment() {
  const { Analytics } = require('@segment/analytics-node');
  const client = new Analytics({ writeKey: order.writeKey, host: order.url, ...order.options });
  let problem;
  client.on('error', (error) => { problem = error; });
  for (const [type, message] of order.calls) {
    client[type](message);
    if (order.each) {
      await client.flush();
    }
  }
  await client.closeAndFlush();
  if (problem) {
    throw new Error(JSON.stringify(problem));
  }
}

await (order.sdk === 'rudder' ? withRudder() : withSegment());
