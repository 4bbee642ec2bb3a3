#!/usr/bin/env node
// Do the vendors' own clients work through passthrough, with nothing changed but base URL and key?
//
//   tests/outside/sdks.mjs CACHE THROUGHLINE        (tests/outside/tools.sh CACHE installs what this needs)
//
// Each file in sdks/ takes one client through a stand-in of `throughline demo`: lists and their pages, one record, search,
// writes, the vendor's refusals in the client's own error class, and more requests at once than the vendor allows.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

import * as hubspot from './sdks/hubspot.mjs';
import * as pipedrive from './sdks/pipedrive.mjs';

const [cache, throughline] = process.argv.slice(2, 4).map((argument) => path.resolve(argument));
const installed = path.join(cache, 'sdks/node_modules');
const require = createRequire(path.join(installed, 'x.js'));
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THROUGHLINE_')));

const demo = spawn(throughline, ['demo', '--port', '0', '--admin-port', '0'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => demo.kill());
const ready = await new Promise((done, fail) => {
  demo.on('exit', () => fail(new Error('the demo ended before it was ready')));
  createInterface({ input: demo.stdout }).on('line', (line) => {
    if (line.startsWith('ready ')) done(JSON.parse(line.slice('ready '.length)));
  });
});

const began = Date.now();
let steps = 0, faults = 0;
for (const { name, provider, run } of [hubspot, pipedrive]) {
  const { version } = JSON.parse(readFileSync(path.join(installed, name, 'package.json'), 'utf8'));
  console.log(`sdks: ${name} ${version}`);
  const base = `${ready.api}/v1/connections/${ready.connections[provider]}/passthrough`;
  // A step tells what the client made of the answer; what it throws is a fault, and the next step goes on.
  const step = async (what, act) => {
    steps++;
    try {
      console.log(`  ok     ${what.padEnd(34)} ${await act()}`);
    } catch (error) {
      faults++;
      console.log(`  FAULT  ${what.padEnd(34)} ${error?.stack ?? JSON.stringify(error)}`);
    }
  };
  // A key of ours that gets one request a second, which a client that knows nothing of it meets.
  const slow = async () => {
    const body = JSON.stringify({ scopes: ['read', 'passthrough'], limits: { rate: 1, burst: 1 } });
    const headers = { authorization: `Bearer ${ready.key}`, 'content-type': 'application/json' };
    const made = await fetch(`${ready.api}/v1/keys`, { method: 'POST', headers, body });
    if (made.status !== 201) throw new Error(`no key: ${made.status} ${await made.text()}`);
    return (await made.json()).key;
  };
  await run({ require, base, key: ready.key, slow, step });
}
console.log(`sdks: ${steps} steps with the vendors' own clients in ${((Date.now() - began) / 1000).toFixed(0)} s${faults ? `, ${faults} faults` : ''}`);
process.exit(faults ? 1 : 0);
