// Lists all contacts page by page, then creates one.   TL=… KEY=… CONN=… node client.mjs
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const { TL, KEY, CONN } = process.env;

async function call(method, path, body) {
  const headers = { authorization: `Bearer ${KEY}`, 'throughline-connection': CONN };
  if (body) Object.assign(headers, { 'content-type': 'application/json', 'idempotency-key': randomUUID() });
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(TL + path, { method, headers, body: body && JSON.stringify(body) });
    if (answer.ok) return answer.json();
    const problem = await answer.json();
    if (!problem.retryable || attempt === 5) throw new Error(`${problem.code}: ${problem.detail} (${problem.request_id})`);
    await sleep(1000 * (problem.retry_after ?? 2 ** attempt));
  }
}

for (let next = '?limit=10&fields=last_name'; next; ) {
  const page = await call('GET', `/v1/crm/contacts${next}`);
  for (const contact of page.data) console.log(contact.id, contact.last_name);
  next = page.next_cursor && `?cursor=${encodeURIComponent(page.next_cursor)}`;
}
const made = await call('POST', '/v1/crm/contacts', { first_name: 'Ada', last_name: 'Byron' });
console.log('created', made.id);
