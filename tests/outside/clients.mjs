#!/usr/bin/env node
// Do the clients of the documentation work as they stand there?
//
//   tests/outside/clients.mjs CACHE THROUGHLINE        (tests/outside/tools.sh CACHE installs what this needs)
//
// Each program of src/api/docs/clients runs against `throughline demo`, through a gate that makes trouble: it refuses the
// first page once, and loses the answer to the first create once. All records have to be listed once and one created, and a
// wrong key has to end the program with the problem's code. Go is tried where it is installed. Then comes a client that
// openapi-typescript and openapi-fetch make of /openapi.json: it has to compile with `tsc --strict`, and work.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const [cache, throughline] = process.argv.slice(2, 4).map((argument) => path.resolve(argument));
const here = path.dirname(fileURLToPath(import.meta.url));
const programs = path.join(here, '../../src/api/docs/clients');
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THROUGHLINE_')));
const scratch = mkdtempSync(path.join(cache, 'clients.'));
const demo = spawn(throughline, ['demo', '--port', '0', '--admin-port', '0'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => {
  demo.kill();
  rmSync(scratch, { recursive: true, force: true });
});
const ready = await new Promise((done, fail) => {
  demo.on('exit', () => fail(new Error('the demo ended before it was ready')));
  createInterface({ input: demo.stdout }).on('line', (line) => {
    if (line.startsWith('ready ')) done(JSON.parse(line.slice('ready '.length)));
  });
});
const CONN = ready.connections.hubspot;
const api = async (route) => {
  const answer = await fetch(ready.api + route, { headers: { authorization: `Bearer ${ready.key}`, 'throughline-connection': CONN } });
  return answer.json();
};
const ids = async () => {
  const all = [];
  for (let next = '?limit=50&fields=last_name'; next; ) {
    const page = await api(`/v1/crm/contacts${next}`);
    all.push(...page.data.map(({ id }) => id));
    next = page.next_cursor && `?cursor=${encodeURIComponent(page.next_cursor)}`;
  }
  return all;
};

// What goes wrong on the way of one program.
let trouble;
const calm = () => (trouble = { pages: 0, creates: 0, keys: new Set(), refused: 0, lost: 0 });
const gate = createServer(async (request, answer) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { host, connection, 'content-length': length, 'transfer-encoding': coding, ...headers } = request.headers;
  const body = request.method === 'POST' ? Buffer.concat(parts) : undefined;
  const refuse = (code) => {
    const problem = { code, detail: 'trouble', request_id: 'req_gate', retryable: true, retry_after: 1 };
    answer.writeHead(503, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
  };
  if (request.method === 'GET' && trouble.pages++ === 0) return (trouble.refused++, refuse('overloaded'));
  const given = await fetch(ready.api + request.url, { method: request.method, headers, body });
  const text = await given.text();
  if (request.method === 'POST') {
    trouble.keys.add(request.headers['idempotency-key']);
    // It was executed, and nobody is told.
    if (trouble.creates++ === 0) return (trouble.lost++, refuse('provider-timeout'));
  }
  answer.writeHead(given.status, { 'content-type': given.headers.get('content-type') }).end(text);
});
await new Promise((done) => gate.listen(0, '127.0.0.1', done));
const TL = `http://127.0.0.1:${gate.address().port}`;

const run = (command, words, variables) =>
  new Promise((done) => {
    execFile(command, words, { env: { ...environment, ...variables }, cwd: scratch, timeout: 240_000 }, (error, stdout, stderr) => {
      done({ code: error ? (error.code ?? 1) : 0, stdout, stderr });
    });
  });
const check = (good, what) => {
  if (!good) throw new Error(what);
};

async function client(command, words) {
  calm();
  const before = await ids();
  const done = await run(command, words, { TL, KEY: ready.key, CONN });
  check(done.code === 0, `it ended with ${done.code}: ${done.stderr}`);
  const lines = done.stdout.trim().split('\n');
  const created = /^created (\S+)$/.exec(lines.pop())?.[1];
  const listed = lines.map((line) => line.split(' ')[0]);
  check(listed.length === before.length && before.every((id) => listed.includes(id)), `${listed.length} of ${before.length} records were listed`);
  check(trouble.refused === 1 && trouble.lost === 1, 'the gate made no trouble');
  const after = await ids();
  check(after.length === before.length + 1 && after.includes(created), `${after.length - before.length} records were created`);
  check(trouble.keys.size === 1 && trouble.creates === 2, `one write was sent ${trouble.creates} times under ${trouble.keys.size} keys`);
  const refused = await run(command, words, { TL: ready.api, KEY: 'tl_test_wrong', CONN });
  check(refused.code !== 0 && /unauthenticated/.test(refused.stderr), `a wrong key: ${refused.code} ${refused.stderr}`);
  return `${listed.length} listed, 1 created in spite of a lost answer`;
}

/** openapi-typescript, tsc and openapi-fetch, all pinned, over the document as it is served. */
async function generated() {
  const installed = path.join(cache, 'typed/node_modules');
  writeFileSync(path.join(scratch, 'openapi.json'), await (await fetch(`${ready.api}/openapi.json`)).text());
  symlinkSync(installed, path.join(scratch, 'node_modules'));
  copyFileSync(path.join(here, 'typed/client.ts'), path.join(scratch, 'client.ts'));
  writeFileSync(path.join(scratch, 'package.json'), '{"type": "module"}');
  const tool = (name, ...words) => execFileSync(path.join(installed, '.bin', name), words, { cwd: scratch, env: environment, encoding: 'utf8' });
  tool('openapi-typescript', 'openapi.json', '--output', 'throughline.d.ts');
  try {
    tool('tsc', '--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', 'client.ts');
  } catch (error) {
    throw new Error(`it does not compile:\n${error.stdout}`);
  }
  const done = await run('node', ['client.js'], { TL: ready.api, KEY: ready.key, CONN });
  check(done.code === 0, done.stdout + done.stderr);
  return done.stdout.trim();
}

const there = (command) => {
  try {
    execFileSync(command, ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const has = there('go');
// What Go builds is kept with the other tools.
environment.GOCACHE = path.join(cache, 'go');
const began = Date.now();
const all = [
  ['Node.js', () => client('node', [path.join(programs, 'client.mjs')])],
  ['Python', () => client('python3', [path.join(programs, 'client.py')])],
  ...(has ? [['Go', () => client('go', ['run', path.join(programs, 'client.go')])]] : []),
  ...(has ? [['Go, as it is formatted', async () => {
    check((await run('gofmt', ['-l', programs])).stdout === '', 'gofmt would write it otherwise');
    const vetted = await run('go', ['vet', path.join(programs, 'client.go')]);
    check(vetted.code === 0, vetted.stderr);
    return 'gofmt, go vet';
  }]] : []),
  ['openapi-typescript, openapi-fetch', generated],
];
let faults = 0;
for (const [name, act] of all) {
  try {
    console.log(`  ok     ${name.padEnd(34)} ${await act()}`);
  } catch (error) {
    faults++;
    console.log(`  FAULT  ${name.padEnd(34)} ${error.message}`);
  }
}
if (!has) console.log('  SKIPPED  Go is not installed');
console.log(`clients: ${all.length - faults} of ${all.length} in ${Math.round((Date.now() - began) / 1000)} s${has ? '' : ', without Go'}`);
process.exit(faults ? 1 : 0);
