// Stands in front of the token endpoint and does to requests what rules say.
//
// A rule: {grant?, times?, at, do, ms?, status?}. `at` is `request` (received, not passed on), `rotated` (the
// server has answered, the answer is not passed on) or `answered` (it was). `do` is `delay` (by ms, then on), `hold`
// (until released), `answer` (with status) or `drop` (the connection).
import { read } from './http.mjs';

export function gate(server, counts, log) {
  const rules = [];
  const holding = new Set();

  function rule(at, grant) {
    const found = rules.find((rule) => rule.at === at && (!rule.grant || rule.grant === grant) && rule.left > 0);
    if (found) found.left--;
    return found;
  }

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  // False if the exchange ends here.
  async function apply(at, grant, response) {
    const found = rule(at, grant);
    if (!found) return true;
    log(`gate ${found.do}`, { when: at, grant });
    switch (found.do) {
      case 'delay':
        await sleep(found.ms);
        return true;
      case 'hold': {
        const answered = new Promise((done) => response.on('finish', done).on('close', done));
        const verdict = await new Promise((done) => holding.add({ grant, done, answered }));
        if (verdict === 'drop') response.destroy();
        return verdict !== 'drop';
      }
      case 'answer':
        response.writeHead(found.status, { 'content-type': 'application/json' }).end('{"error":"server_error"}');
        return false;
      default:
        response.destroy();
        return false;
    }
  }

  async function serve(request, response) {
    const body = await read(request);
    if (request.url !== '/token') return passOn(request, response, body);
    const grant = server.grantOf(new URLSearchParams(body).get('refresh_token'));
    counts.received++;
    log('received', { grant });
    if (!(await apply('request', grant, response))) return void counts.broken++;
    counts.forwarded++;
    const answer = await ask(request, body);
    const granted = answer.status === 200;
    if (granted) counts.granted++;
    else counts.refused++;
    if (!(await apply('rotated', grant, response))) return void counts.broken++;
    response.writeHead(answer.status, answer.headers);
    response.end(answer.text);
  }

  async function ask(request, body) {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => ['accept', 'authorization', 'content-type'].includes(name)));
    const answer = await fetch(server.issuer + request.url, { method: request.method, headers, body: body || undefined });
    const text = await answer.text();
    return { status: answer.status, headers: { 'content-type': answer.headers.get('content-type') ?? 'text/plain', 'content-length': Buffer.byteLength(text) }, text };
  }

  async function passOn(request, response, body) {
    const { status, headers, text } = await ask(request, body);
    response.writeHead(status, headers).end(text);
  }

  return {
    serve,
    add: (rule) => rules.push({ left: rule.times ?? 1, ...rule }),
    held: () => holding.size,
    // What is held goes on, or is dropped; and nothing more is held.
    release: ({ drop = false }) => {
      rules.length = 0;
      for (const held of holding) held.done(drop ? 'drop' : 'on');
      holding.clear();
    },
    // Kills a process while the answers that are held for it arrive: each so many milliseconds before, those that are not
    // named never.
    volley: async ({ pid, before }) => {
      const longest = Math.max(0, ...Object.values(before));
      const sent = [...holding].map(async (held) => {
        const early = before[held.grant];
        if (early === undefined) return;
        await sleep(longest - early);
        held.done('on');
        await held.answered;
      });
      await Promise.all([sleep(longest), ...sent]);
      process.kill(pid, 'SIGKILL');
      for (const held of holding) held.done('drop');
      holding.clear();
      rules.length = 0;
    },
  };
}
