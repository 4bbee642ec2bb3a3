#!/usr/bin/env node
// Can the documentation be read, by everybody and everywhere?
//
//   tests/outside/docs.mjs CACHE THROUGHLINE        (tests/outside/tools.sh CACHE installs what this needs)
//   SCREENSHOTS=FOLDER keeps a picture of every kind of page, CHROMIUM names another browser than Debian's.
//
// Chromium, without JavaScript and without a way out, reads `throughline demo`'s /docs: every link and every fragment leads
// somewhere, nothing comes from elsewhere, no page is wider than its screen, none violates its own content security policy.
// axe-core looks at every kind of page, narrow and wide, light and dark.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const [cache, throughline] = process.argv.slice(2, 4).map((argument) => path.resolve(argument));
const require = createRequire(path.join(cache, 'browser/node_modules/x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [360, 1280];
// Pages that are written alike are looked at once.
const KINDS = ['docs', 'docs/clients', 'docs/problems', 'docs/problems/outcome-unknown', 'docs/problems/nonsense', 'docs/api/contacts', 'docs/api/connections', 'docs/api/passthrough', 'docs/api/models', 'docs/api/nonsense'];

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THROUGHLINE_')));
const demo = spawn(throughline, ['demo', '--port', '0', '--admin-port', '0'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => demo.kill());
const { api } = await new Promise((done, fail) => {
  demo.on('exit', () => fail(new Error('the demo ended before it was ready')));
  createInterface({ input: demo.stdout }).on('line', (line) => {
    if (line.startsWith('ready ')) done(JSON.parse(line.slice('ready '.length)));
  });
});

const began = Date.now();
const faults = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

async function open(options, reading) {
  const context = await browser.newContext(options);
  await context.route('**', (route) => {
    if (route.request().url().startsWith(`${api}/`)) return route.continue();
    faults.push(`${route.request().url()} is asked for, which is not ours`);
    return route.abort();
  });
  context.on('console', (message) => {
    if (/content security policy/i.test(message.text())) faults.push(`${message.location().url}: ${message.text()}`);
  });
  await reading(await context.newPage());
  await context.close();
}

// --- every page, by its links, without JavaScript ---

const pages = new Map();
const fragments = new Map();
await open({ javaScriptEnabled: false, viewport: { width: WIDTHS[0], height: 800 } }, async (page) => {
  const waiting = [`${api}/docs`];
  while (waiting.length > 0) {
    const address = waiting.shift();
    if (pages.has(address)) continue;
    const answer = await page.goto(address);
    const html = await page.content();
    pages.set(address, new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)));
    if (answer.status() !== 200) faults.push(`${address}: ${answer.status()}`);
    if (/<script|<style| style=| on[a-z]+=/.test(html.replaceAll(/<pre[^]*?<\/pre>/g, ''))) faults.push(`${address}: something to run or style in the page itself`);
    for (const [, href] of html.matchAll(/ href="([^"]*)"/g)) {
      const to = new URL(href.replaceAll('&amp;', '&'), address);
      const fragment = decodeURIComponent(to.hash.slice(1));
      to.hash = '';
      if (fragment) fragments.set(`${address} -> ${to}#${fragment}`, [to.href, fragment]);
      if (!to.href.startsWith(`${api}/`)) faults.push(`${address}: a link to ${to.href}`);
      else if (!/\.(css|json)$/.test(to.pathname)) waiting.push(to.href);
    }
  }
});
for (const [link, [to, fragment]] of fragments) {
  if (!pages.get(to)?.has(fragment)) faults.push(`${link} leads nowhere`);
}

// --- every kind of page ---

let looked = 0;
await open({}, async (page) => {
  for (const kind of KINDS) {
    await page.goto(`${api}/${kind}`);
    await page.evaluate('document.querySelectorAll("details").forEach((one) => (one.open = true))');
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 800 });
        const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`);
        looked++;
        for (const { id, impact, help, nodes } of found.violations.filter(({ impact }) => impact !== 'minor')) {
          faults.push(`${kind}, ${width} px, ${colorScheme}: ${impact} ${id}: ${help}: ${nodes.length} times, such as ${nodes[0].html.slice(0, 300)}`);
        }
        const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        if (wide > 0) faults.push(`${kind}: ${wide} px wider than ${width}`);
        if (process.env.SCREENSHOTS) await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${kind.replaceAll('/', '-')}-${width}-${colorScheme}.png`), fullPage: true });
      }
    }
  }
});

await browser.close();
faults.forEach((fault) => console.log(`docs: ${fault}`));
console.log(`docs: ${pages.size} pages and ${fragments.size} links into them in Chromium ${browser.version()}, ${looked} looks of axe-core, in ${Math.round((Date.now() - began) / 1000)} s`);
process.exit(faults.length ? 1 : 0);
