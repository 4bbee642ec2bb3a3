// A client made of /openapi.json: what is right compiles and works, what is wrong does not compile.
import createClient from 'openapi-fetch';
import type { components, paths } from './throughline.js';

declare const process: { env: Record<string, string> };
const { TL = '', KEY = '', CONN = '' } = process.env;

const client = createClient<paths>({
  baseUrl: TL,
  headers: { Authorization: `Bearer ${KEY}`, 'Throughline-Connection': CONN },
  // Lists are separated by commas.
  querySerializer: { array: { style: 'form', explode: false } },
});

type Contact = components['schemas']['Contact'];
type Problem = components['schemas']['Problem'];

function good<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.error) throw new Error(`${answer.error.code}: ${answer.error.detail}`);
  if (answer.data === undefined) throw new Error('an answer without data');
  return answer.data;
}
function check(right: boolean, what: string): asserts right {
  if (!right) throw new Error(what);
}

// A list with a filter, a sort and some fields.
const page = good(await client.GET('/v1/crm/contacts', {
  params: {
    query: {
      'filter[updated_at][gte]': '2026-01-01T00:00:00Z',
      'filter[lifecycle][in]': ['customer', 'lead', 'other', 'qualified', 'subscriber'],
      fields: ['last_name', 'emails.email', 'custom_fields.interests'],
      limit: 3,
    },
  },
}));
const first: Contact | undefined = page.data[0];
check(page.data.length === 3 && typeof page.next_cursor === 'string', `a page: ${JSON.stringify(page)}`);
const address: string | undefined = first?.emails?.[0]?.email;
check(address?.includes('@') === true, `an address: ${address}`);
const again = good(await client.GET('/v1/crm/contacts', { params: { query: { cursor: page.next_cursor } } }));
check(again.data.length > 0 && again.data[0]?.id !== first?.id, 'the second page');

// A record is written, changed and read.
const made = good(await client.POST('/v1/crm/contacts', {
  params: { header: { 'Idempotency-Key': `typed-${Date.now()}` } },
  body: { first_name: 'Ada', last_name: 'Byron', emails: [{ type: 'work', email: 'ada.typed@example.test' }] },
}));
const changed = good(await client.PATCH('/v1/crm/contacts/{id}', {
  params: { path: { id: made.id } },
  body: { title: 'Analyst', emails: null },
}));
const title: string | null | undefined = changed.title;
check(title === 'Analyst' && changed.emails?.length === 0, `an update: ${JSON.stringify(changed)}`);
const found = good(await client.POST('/v1/crm/contacts/search', {
  body: { filter: { last_name: { eq: 'Byron' } }, sort: ['-updated_at'], limit: 1 },
}));
check(found.data[0]?.id === made.id, `a search: ${JSON.stringify(found)}`);

// Fields that the customer made have the customer's names.
const interests: unknown = found.data[0]?.custom_fields?.['interests'];
check(interests === undefined || interests === null || Array.isArray(interests), `a custom field: ${interests}`);
const grown = good(await client.PATCH('/v1/crm/contacts/{id}', {
  params: { path: { id: made.id }, query: { fields: ['custom_fields.interests'] } },
  body: { custom_fields: { interests: ['sailing'] } },
}));
check(JSON.stringify(grown.custom_fields?.['interests']) === '["sailing"]', `a custom field: ${JSON.stringify(grown)}`);

// Many at once.
const batch = good(await client.POST('/v1/crm/contacts/batch', {
  body: { operations: [{ operation: 'update', id: made.id, data: { title: null } }, { operation: 'get', id: 'nobody' }] },
}));
const [cleared, missing] = batch.results;
check(cleared?.status === 200 && cleared.data?.title === null, `a batch: ${JSON.stringify(cleared)}`);
const code: Problem['code'] | undefined = missing?.error?.code;
check(code === 'not-found' || code === 'validation-failed' || code === 'invalid-request', `a batch: ${JSON.stringify(missing)}`);
await client.DELETE('/v1/crm/contacts/{id}', { params: { path: { id: made.id } } });

// A problem has a type of its own, with every code.
const { data, error } = await client.GET('/v1/crm/contacts', { params: { query: { 'filter[birthday][eq]': '2000-01-01' } } });
check(data === undefined && error !== undefined, 'a filter that this provider does not have');
switch (error.code) {
  case 'unsupported-filter': {
    const supported: string[] | undefined = error.supported;
    check(supported?.some((line) => line.startsWith('email')) === true, `a problem: ${JSON.stringify(error)}`);
    break;
  }
  default:
    throw new Error(`another problem: ${error.code}`);
}

// Around the records.
const connection = good(await client.GET('/v1/connections/{id}', { params: { path: { id: CONN } } }));
const state: 'active' | 'degraded' | 'needs_reauth' | 'paused' | 'revoked' | 'deleting' = connection.state;
const provider = good(await client.GET('/v1/providers/{name}', { params: { path: { name: connection.provider } } }));
check(state === 'active' && Object.keys(provider.resources).includes('contacts'), `a connection: ${state}`);

// What is wrong does not compile.
export const wrong = async () => {
  // @ts-expect-error There is no such filter.
  await client.GET('/v1/crm/contacts', { params: { query: { 'filter[emial][eq]': 'x' } } });
  // @ts-expect-error There is no such member.
  const misspelt: components['schemas']['ContactWrite'] = { last_nmae: 'Byron' };
  // @ts-expect-error It is only read.
  const early: components['schemas']['ContactWrite'] = { created_at: '2026-01-01T00:00:00Z' };
  // @ts-expect-error It is a text.
  await client.PATCH('/v1/crm/contacts/{id}', { params: { path: { id: '1' } }, body: { last_name: 5 } });
  // @ts-expect-error There is no such code.
  const never: Problem['code'] = 'no-such-code';
  return [misspelt, early, never];
};

console.log('list, search, create, update, batch, delete, problem: typed and right');
