#!/usr/bin/env node
// Are the requests that the mappings make valid by the vendor's own OpenAPI documents?
//
//   tests/outside/prism.mjs CACHE        (tests/outside/tools.sh CACHE installs what this needs)
//
// `throughline test` proves that the requests in mappings/*/examples are what the mappings send. Here each of them goes
// to Prism, which holds it against the document. Prism lets pass what a document does not name at all, so the names of
// query parameters and of members of the body are compared here.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const installed = path.resolve(process.argv[2], 'prism/node_modules');
const { parse } = createRequire(path.join(installed, 'x.js'))('yaml');

// Vendors whose documents there are. `url` takes a request's URL, as the examples have it, apart.
const VENDORS = [
  {
    provider: 'pipedrive',
    documents: { v1: 'pipedrive-v1.yaml', v2: 'pipedrive-v2.yaml' },
    url: /^\/(?<document>v1|v2)(?<path>\/.*)$/,
    headers: { 'x-api-token': 'invented' },
    // What the mappings do and the document does not have. An entry that nothing needs any more is a fault.
    // `at` is where the fault lies: query or body, and the names down to it.
    deviations: [
      {
        why: 'null clears a value; the document says so of custom fields, and of other members nothing',
        applies: (fault) => fault.document === 'v2' && fault.method === 'PATCH' && fault.at[0] === 'body' && fault.value === null,
      },
      {
        why: 'null takes a note off a record; the document has no way to do that',
        applies: (fault) => fault.document === 'v1' && fault.method === 'PUT' && /^\/notes\//.test(fault.path) && fault.value === null,
      },
      {
        why: 'custom fields of a lead are members of the body, as the description of the operation says',
        applies: (fault) => fault.document === 'v1' && /^\/leads/.test(fault.path) && fault.at[0] === 'body' && /^[0-9a-f]{40}$/.test(fault.at[1]),
      },
      {
        why: 'the description of `sort` has the direction after the name, its enumeration the names alone',
        applies: (fault) =>
          fault.document === 'v1' && /^\/leads\?/.test(fault.path) && fault.at.join('.') === 'query.sort' && /^[a-z_]+ (ASC|DESC)$/.test(fault.value),
      },
      {
        why: 'the description of `status` takes several with commas between them, its enumeration one',
        applies: (fault) =>
          fault.document === 'v2' && /^\/deals\?/.test(fault.path) && fault.at.join('.') === 'query.status' && /^[a-z]+(,[a-z]+)+$/.test(fault.value),
      },
    ],
  },
];

const shared = process.env.THROUGHLINE_SHARED ?? path.join(root, '../shared');
const folder = path.join(shared, 'openapi');
const children = [];
let faults = 0;
process.on('exit', () => children.forEach((child) => child.kill()));
for (const vendor of VENDORS) await check(vendor);
process.exit(faults ? 1 : 0);

async function check(vendor) {
  const files = Object.values(vendor.documents).map((name) => path.join(folder, name));
  const absent = files.filter((file) => !existsSync(file));
  if (absent.length) {
    console.log(`prism: ${vendor.provider} is skipped, since ${absent.join(' and ')} cannot be found`);
    if (process.env.CI_REQUIRE_SHARED) faults++;
    return;
  }
  const documents = {};
  for (const [name, file] of Object.entries(vendor.documents)) {
    documents[name] = { paths: routes(parse(readFileSync(path.join(folder, file), 'utf8'))), base: serve(path.join(folder, file)) };
  }
  const used = new Set();
  const requests = examples(vendor);
  for (const { method, url, body, from } of requests) {
    const { document, path: rest } = vendor.url.exec(url)?.groups ?? {};
    if (!document) {
      report(method, url, body, from, [`no document is about ${url}`]);
      continue;
    }
    const { base, paths } = documents[document];
    const found = [...(await refused(await base, vendor, method, rest, body)), ...unnamed(paths, method, rest, body)];
    const kept = found.filter((fault) => {
      const at = fault.at ?? [];
      const whole = { ...fault, at, document, method, path: rest, value: value(at, rest, body) };
      const deviation = vendor.deviations.find((deviation) => deviation.applies(whole));
      if (deviation) used.add(deviation);
      return !deviation;
    });
    if (kept.length) report(method, url, body, from, kept.map((fault) => fault.message));
  }
  for (const deviation of vendor.deviations.filter((deviation) => !used.has(deviation))) {
    faults++;
    console.log(`prism: no request of ${vendor.provider} needs this deviation any more: ${deviation.why}`);
  }
  const all = requests.reduce((sum, request) => sum + request.from.length, 0);
  console.log(`prism: ${all} requests of ${vendor.provider} (${requests.length} different ones) held against the vendor's documents; ${used.size} deviations`);
}

function report(method, url, body, from, messages) {
  faults++;
  console.log(`prism: ${method} ${url} ${body === undefined ? '' : JSON.stringify(body)}`);
  messages.forEach((message) => console.log(`    ${message}`));
  console.log(`    in: ${from.slice(0, 3).join('; ')}${from.length > 3 ? `; and ${from.length - 3} more` : ''}`);
}

// The different requests of the examples, each with the examples it is from.
function examples({ provider }) {
  const requests = new Map();
  const folder = path.join(root, 'mappings', provider, 'examples');
  for (const name of readdirSync(folder).sort()) {
    for (const example of parse(readFileSync(path.join(folder, name), 'utf8'), { merge: true, maxAliasCount: -1 })) {
      for (const { request } of example.exchanges ?? []) {
        const { method, url, body } = request;
        const key = JSON.stringify([method, url, body]);
        if (!requests.has(key)) requests.set(key, { method, url, body, from: [] });
        requests.get(key).from.push(`${name}: ${example.example}`);
      }
    }
  }
  return [...requests.values()];
}

// The address of a Prism that serves a document, once it is there.
async function serve(file) {
  const port = await new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
  const script = path.join(installed, '@stoplight/prism-cli/dist/index.js');
  const child = spawn(process.execPath, [script, 'mock', '--errors', '--host', '127.0.0.1', '--port', port, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let said = '';
  return new Promise((done, fail) => {
    child.stdout.on('data', (text) => {
      said = (said + text).slice(-10_000);
      if (said.includes('Prism is listening')) done(`http://127.0.0.1:${port}`);
    });
    child.on('exit', () => fail(new Error(`Prism did not start for ${file}:\n${said}`)));
  });
}

// What Prism holds against a request.
async function refused(base, vendor, method, rest, body) {
  const headers = { ...vendor.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const answer = await fetch(base + rest, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (answer.status < 400) return [];
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // not a problem of Prism's
  }
  const violations = problem.validation ?? [];
  // Answers are made of the document's own examples, which are not valid everywhere.
  const ours = violations.filter(({ location }) => location[0] !== 'response');
  if (violations.length) return ours.map(({ location, message }) => ({ at: location, message }));
  return [{ message: `${answer.status} ${problem.title ?? text.slice(0, 300)}` }];
}

// Names in a request that the document does not have for its operation.
function unnamed(paths, method, rest, body) {
  const url = new URL(rest, 'http://x');
  const route = paths.find((route) => route.method === method && route.pattern.test(url.pathname));
  if (!route) return []; // Prism has said so
  const query = [...url.searchParams.keys()].filter((name) => !route.query.has(name));
  const members = body === undefined || !route.body.size ? [] : Object.keys(body).filter((name) => !route.body.has(name));
  return [
    ...query.map((name) => ({ at: ['query', name], message: `The document has no query parameter ${name}` })),
    ...members.map((name) => ({ at: ['body', name], message: `The document has no member ${name} of the body` })),
  ];
}

// The operations of a document, those with fewer parameters in the path first: /deals/search comes before /deals/{id}.
function routes(document) {
  const follow = (part) => (part?.$ref ? follow(part.$ref.slice(2).split('/').reduce((at, name) => at[name], document)) : part);
  // The members that a schema names, wherever in its parts.
  const members = (schema) => {
    const whole = follow(schema) ?? {};
    const parts = [...(whole.allOf ?? []), ...(whole.anyOf ?? []), ...(whole.oneOf ?? [])];
    return [...Object.keys(whole.properties ?? {}), ...parts.flatMap(members)];
  };
  const found = Object.entries(document.paths).flatMap(([template, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== 'parameters')
      .map(([method, operation]) => {
        const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(follow);
        const content = follow(operation.requestBody)?.content ?? {};
        return {
          method: method.toUpperCase(),
          holes: template.split('{').length,
          pattern: new RegExp(`^${template.replace(/\{[^}]*\}/g, '[^/]+')}$`),
          query: new Set(parameters.filter((parameter) => parameter.in === 'query').map((parameter) => parameter.name)),
          body: new Set(Object.values(content).flatMap((media) => members(media.schema))),
        };
      }),
  );
  return found.sort((a, b) => a.holes - b.holes);
}

// What a request has at a place.
function value([where, ...names], rest, body) {
  if (where === 'query') return new URL(rest, 'http://x').searchParams.get(names[0]);
  if (where === 'body') return names.reduce((at, name) => at?.[name], body);
  return undefined;
}
