#!/usr/bin/env node
// A real authorization server with rotating refresh tokens, a gate in front of its token endpoint, and a small vendor
// whose API takes exactly the access tokens that are active.
//
//   tests/counterparts/oidc/server.mjs CACHE        (install.sh CACHE installs what this needs)
//
// The first line on standard output is `ready ` and the addresses as JSON; every further one is an event. It ends when
// its standard input does.
import { createServer } from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { authorization } from './authorization.mjs';
import { gate } from './gate.mjs';
import { json, listen, read } from './http.mjs';
import { vendor } from './vendor.mjs';

const installed = path.resolve(process.argv[2], 'node_modules/oidc-provider/lib/index.js');
const { Provider } = await import(pathToFileURL(installed));

const counts = { minted: 0, rotations: 0, reuses: 0, revoked: 0, received: 0, forwarded: 0, granted: 0, refused: 0, broken: 0, requests: 0, unauthorized: 0 };
const log = (event, more = {}) => console.log(JSON.stringify({ at: new Date().toISOString(), event, ...more }));

const server = await authorization(Provider, counts, log);
const front = gate(server, counts, log);
const token = await listen(createServer(front.serve));
const api = await listen(createServer(vendor(server, counts)));

// The side door of the tests: grants, rules for the gate, what was counted.
const control = createServer(async (request, response) => {
  const body = JSON.parse((await read(request)) || '{}');
  switch (`${request.method} ${request.url}`) {
    case 'POST /grants':
      return json(response, 200, await server.mint(body));
    case 'POST /rules':
      front.add(body);
      return json(response, 200, {});
    case 'POST /release':
      front.release(body);
      return json(response, 200, {});
    case 'POST /volley':
      await front.volley(body);
      return json(response, 200, {});
    case 'GET /counts':
      return json(response, 200, { ...counts, held: front.held() });
    default:
      return json(response, 404, {});
  }
});
const door = await listen(control);
console.log(`ready ${JSON.stringify({ token: `${token}/token`, revoke: `${token}/token/revocation`, api, control: door })}`);
process.stdin.resume().on('end', () => process.exit(0));
