#!/usr/bin/env node
// Do connect links work in a real browser, with a certified authorization server?
//
//   tests/outside/connect.mjs CACHE THROUGHLINE        (tests/outside/tools.sh CACHE installs what this needs)
//   SCREENSHOTS=FOLDER keeps a picture of every kind of page, CHROMIUM names another browser than Debian's.
//
// Chromium goes through the pages of `throughline serve` and of oidc-provider as a customer does: consent, refusal, forged
// and used states, two tabs, without JavaScript. axe-core looks at every kind of page, narrow and wide, light and dark. A
// violation of a page's own content security policy is a fault, too.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [cache, throughline] = process.argv.slice(2, 4).map((argument) => path.resolve(argument));
const installed = path.join(cache, 'browser/node_modules');
const require = createRequire(path.join(installed, 'x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
// It warns of everything that is for development only, which all of this is.
console.warn = console.info = () => {};
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const WIDTHS = [360, 1280];
const scratch = mkdtempSync(path.join(cache, 'connect.'));
const ended = [];
process.on('exit', () => {
  ended.forEach((end) => end());
  rmSync(scratch, { recursive: true, force: true });
});

const began = Date.now();
const faults = [];
let scenarios = 0, looked = 0;

// --- servers ---

const listening = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
const freePort = async () => {
  const server = createServer();
  const port = await listening(server);
  await new Promise((done) => server.close(done));
  return port;
};

// The tenant's own page, where customers end.
const tenant = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<h1>Back</h1>'));
const back = `http://127.0.0.1:${await listening(tenant)}/done`;
ended.push(() => tenant.close());

const [api, admin, login] = [await freePort(), await freePort(), await freePort()];
const issuer = `http://127.0.0.1:${login}`;

// The authorization server, and the API behind it: whoever has one of its tokens is let in.
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'throughline',
      client_secret: 'an-invented-secret-of-the-test',
      redirect_uris: [`http://127.0.0.1:${api}/oauth/callback/checked`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access'],
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['invented'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.proxy = false;
const handle = provider.callback();
// What becomes of the address that a customer is sent back to, for one scenario.
let divert = (address) => address;
const vendor = createServer(async (request, answer) => {
  if (!request.url.startsWith('/api/')) {
    const set = answer.setHeader.bind(answer);
    answer.setHeader = (name, value) => {
      const leads = name.toLowerCase() === 'location' && String(value).includes('/oauth/callback/');
      return set(name, leads ? divert(value) : value);
    };
    return handle(request, answer);
  }
  const token = request.headers.authorization?.replace('Bearer ', '');
  const known = token === 'a-good-key' || (token && (await provider.AccessToken.find(token)));
  answer.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end('{"items": []}');
});
await new Promise((done) => vendor.listen(login, '127.0.0.1', done));
ended.push(() => vendor.close());

const files = {
  'mappings/checked/provider.yaml': `
title: Checked CRM
settings:
  region: { ask: Where the account is, default: eu, pattern: eu|us }
base_url: ${issuer}/api
hosts: { api: ["${issuer}"], auth: ["${issuer}"] }
verify: GET /me
auth:
  oauth2:
    send: { Authorization: '"Bearer " & access_token' }
    grant:
      authorize: ${issuer}/auth
      token: ${issuer}/token
      pkce: true
      scopes: { always: [openid, offline_access] }
      extra: { authorize: { prompt: consent } }
`,
  'mappings/typed/provider.yaml': `
title: Typed CRM
settings:
  account: { ask: The number of the account, pattern: '[0-9]+' }
  order: { ask: How the account writes dates, default: day/month, pattern: day/month|month/day }
  note: { ask: A note for yourself, optional: true }
base_url: ${issuer}/api
hosts: { api: ["${issuer}"] }
verify: GET /me
auth: { token: {}, basic: {}, headers: {} }
`,
  'throughline.yaml': `
listen: 127.0.0.1:${api}
admin_listen: 127.0.0.1:${admin}
public_url: http://127.0.0.1:${api}
store: sqlite:${scratch}/throughline.db
vault: { key_file: ${scratch}/vault.key }
mappings: ${scratch}/mappings
upstream: { dangerous_allow_private_addresses: true }
providers: { checked: { client_id: throughline, client_secret: an-invented-secret-of-the-test } }
log: { level: warn }
`,
};
const contacts = `
fields: { id: { read: id }, last_name: name }
operations: { list: { request: GET /contacts, records: items } }
`;
files['mappings/checked/contacts.yaml'] = files['mappings/typed/contacts.yaml'] = contacts;
for (const [name, text] of Object.entries(files)) {
  mkdirSync(path.dirname(path.join(scratch, name)), { recursive: true });
  writeFileSync(path.join(scratch, name), text);
}
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THROUGHLINE_')));
const run = (...words) => execFileSync(throughline, words, { cwd: scratch, env: environment, encoding: 'utf8' });
run('vault', 'init', `${scratch}/vault.key`);
const config = ['--config', `${scratch}/throughline.yaml`];
const key = run('keys', 'create', ...config, '--tenant', 'acme', '--scopes', 'connect,read').trim();
const server = spawn(throughline, ['serve', ...config], { cwd: scratch, env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
ended.push(() => server.kill());

const call = async (method, route, body) => {
  const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) };
  const answer = await fetch(`http://127.0.0.1:${api}${route}`, { method, headers, body: body && JSON.stringify(body) });
  return answer.json();
};
for (let tries = 0; ; tries++) {
  try {
    await call('GET', '/openapi.json');
    break;
  } catch (error) {
    if (tries > 300) throw error;
    await new Promise((done) => setTimeout(done, 100));
  }
}

let customers = 0;
const link = async (providers = ['checked']) => {
  const customer = `customer-${++customers}`;
  const made = await call('POST', '/v1/connect/sessions', { customer_id: customer, providers, return_url: back });
  return { url: made.url, customer };
};
const connections = async (customer) => (await call('GET', `/v1/connections?customer_id=${customer}`)).data;

// --- looking ---

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

const check = (good, what) => {
  if (!good) throw new Error(what);
};
const says = async (page, text) => {
  await page.locator('main').waitFor();
  const main = await page.locator('main').innerText();
  check(main.includes(text), `"${text}" is not on ${page.url()}:\n${main}`);
};

// Every kind of page is looked at once in each width and in both colour schemes.
const seen = new Set();
async function look(page, kind) {
  if (seen.has(kind)) return;
  seen.add(kind);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`);
      looked++;
      for (const { id, impact, help, nodes } of found.violations.filter(({ impact }) => ['serious', 'critical', 'moderate'].includes(impact))) {
        faults.push(`${kind}, ${width} px, ${colorScheme}: ${impact} ${id}: ${help}: ${nodes[0].html}`);
      }
      const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      if (wide > 0) faults.push(`${kind}: ${wide} px wider than ${width}`);
      if (process.env.SCREENSHOTS) await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${kind}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

async function scenario(name, options, play) {
  const context = await browser.newContext(options);
  context.on('console', (message) => {
    const own = message.location().url.startsWith(`http://127.0.0.1:${api}/`);
    if (message.type() === 'error' && own && /content security policy/i.test(message.text())) faults.push(`${name}: ${message.text()}`);
  });
  context.setDefaultTimeout(20_000);
  try {
    await play(context);
    scenarios++;
  } catch (error) {
    faults.push(`${name}: ${error.message}`);
  }
  divert = (address) => address;
  await context.close();
}

// Opens a link and says yes at the provider; the address that the provider sent the browser back to.
async function consent(page, url) {
  const answers = [];
  page.on('request', (request) => request.url().includes('/oauth/callback/') && answers.push(request.url()));
  await page.goto(url);
  await page.getByRole('button', { name: 'Continue to Checked CRM' }).click();
  await page.locator('input[name=login]').fill('ada');
  await page.locator('input[name=password]').fill('any');
  await page.getByRole('button', { name: /sign-in/i }).click();
  await page.getByRole('button', { name: /continue/i }).click();
  await page.waitForURL((at) => !at.href.startsWith(issuer));
  return answers[0];
}

const connected = async (page) => {
  const at = new URL(page.url());
  const good = page.url().startsWith(back) && at.searchParams.get('status') === 'connected';
  check(good, `ended at ${page.url()}: ${good || (await page.locator('body').innerText())}`);
  return at.searchParams.get('connection_id');
};

// --- scenarios ---

await scenario('consent', {}, async (context) => {
  const page = await context.newPage();
  const { url, customer } = await link();
  await page.goto(url);
  await look(page, 'consent');
  const answer = await consent(page, url);
  const id = await connected(page);
  const [connection] = await connections(customer);
  check(connection?.id === id && connection.state === 'active', `the connection is ${JSON.stringify(connection)}`);
  check(connection.scopes.includes('offline_access'), `the scopes are ${connection.scopes}`);
  // A state is good once.
  await page.goto(answer);
  await says(page, 'This answer is not for us');
  await look(page, 'used state');
  await page.goto(url);
  await says(page, 'Already connected');
  await look(page, 'completed');
});

await scenario('refusal, and a second try', {}, async (context) => {
  const page = await context.newPage();
  const { url, customer } = await link();
  await page.goto(url);
  await page.getByRole('button', { name: 'Continue to Checked CRM' }).click();
  await page.getByRole('link', { name: /cancel/i }).click();
  await says(page, 'access was not granted');
  await look(page, 'declined');
  check((await connections(customer)).length === 0, 'a refusal made a connection');
  await page.getByRole('link', { name: 'Try again' }).click();
  await consent(page, page.url());
  await connected(page);
});

await scenario('a forged state', {}, async (context) => {
  const page = await context.newPage();
  const { url, customer } = await link();
  divert = (address) => address.replace(/state=[^&]*/, `state=${'A'.repeat(43)}`);
  await consent(page, url);
  await says(page, 'This answer is not for us');
  check((await connections(customer)).length === 0, 'a forged state made a connection');
});

await scenario("another browser's answer", {}, async (context) => {
  const page = await context.newPage();
  const { url, customer } = await link();
  let answer;
  divert = (address) => {
    answer = address;
    return back;
  };
  await consent(page, url);
  const other = await browser.newContext();
  const foreign = await other.newPage();
  await foreign.goto(answer);
  await says(foreign, 'another browser');
  await look(foreign, 'another browser');
  await foreign.goto(url);
  await says(foreign, 'another browser');
  await other.close();
  check((await connections(customer)).length === 0, 'another browser made a connection');
});

await scenario('two tabs', {}, async (context) => {
  const [one, two] = [await context.newPage(), await context.newPage()];
  const { url, customer } = await link();
  // Both tabs have the provider's page open before either is answered.
  await two.goto(url);
  await two.getByRole('button', { name: 'Continue to Checked CRM' }).click();
  await two.locator('input[name=login]').waitFor();
  await consent(one, url);
  await connected(one);
  await two.locator('input[name=login]').fill('ada');
  await two.locator('input[name=password]').fill('any');
  await two.getByRole('button', { name: /sign-in/i }).click();
  await two.getByRole('button', { name: /continue/i }).click();
  await says(two, 'Already connected');
  check((await connections(customer)).length === 1, 'two tabs made two connections');
});

await scenario('without JavaScript', { javaScriptEnabled: false }, async (context) => {
  const page = await context.newPage();
  const { url } = await link();
  await consent(page, url);
  await connected(page);
});

await scenario('programs that look at links', {}, async (context) => {
  const { url } = await link();
  for (const method of ['GET', 'GET', 'HEAD']) check((await fetch(url, { method })).status === 200, `${method} of a link`);
  const page = await context.newPage();
  await consent(page, url);
  await connected(page);
});

await scenario('credentials by hand', {}, async (context) => {
  const page = await context.newPage();
  const { url, customer } = await link(['typed']);
  await page.goto(url);
  await page.getByText('More settings').click();
  await look(page, 'typed');
  await page.getByLabel('The number of the account').fill('twelve');
  await page.getByLabel('API key').fill('a-good-key');
  await page.getByRole('button', { name: 'Connect' }).click();
  await says(page, 'Nothing was connected yet');
  await look(page, 'faults');
  check((await page.title()).startsWith('Error: '), 'the title does not tell of the error');
  // The summary leads to what is wrong.
  await page.getByRole('link', { name: /The number of the account/ }).click();
  const focused = await page.evaluate('document.activeElement.id');
  check(focused === 'settings-account', `the focus is on ${focused}`);
  check((await page.getByLabel('API key').inputValue()) === '', 'a secret came back');
  await page.getByLabel('The number of the account').fill('12');
  await page.getByLabel('API key').fill('a-wrong-key');
  await page.keyboard.press('Enter');
  await says(page, 'does not accept the credentials');
  check((await connections(customer)).length === 0, 'a wrong key made a connection');
  await page.getByLabel('API key').fill('a-good-key');
  await page.getByRole('button', { name: 'Connect' }).click();
  await page.waitForURL(`${back}?**`);
  await connected(page);
  check((await connections(customer))[0].settings.account === '12', 'the setting is lost');
});

await scenario('choosing and cancelling', {}, async (context) => {
  const page = await context.newPage();
  const { url, customer } = await link(['checked', 'typed']);
  await page.goto(url);
  await look(page, 'choice');
  await page.getByRole('link', { name: 'Typed CRM' }).click();
  await page.getByRole('link', { name: 'headers' }).click();
  await look(page, 'headers');
  await page.getByRole('link', { name: 'Choose another' }).click();
  await page.getByRole('link', { name: 'Cancel' }).click();
  await page.waitForURL(`${back}?**`);
  check(new URL(page.url()).searchParams.get('status') === 'cancelled', `ended at ${page.url()}`);
  check((await connections(customer)).length === 0, 'a cancelled link made a connection');
});

await scenario('no such link', {}, async (context) => {
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${api}/connect/${'x'.repeat(43)}`);
  await says(page, 'There is no such link');
  await look(page, 'no such link');
});

await browser.close();
faults.forEach((fault) => console.log(`connect: ${fault}`));
console.log(`connect: ${scenarios} scenarios in Chromium ${browser.version()}, ${looked} looks of axe-core, in ${Math.round((Date.now() - began) / 1000)} s`);
process.exit(faults.length ? 1 : 0);
