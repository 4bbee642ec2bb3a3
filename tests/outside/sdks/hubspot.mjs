// The vendor's client for contacts, companies and owners.
import assert from 'node:assert/strict';

export const name = '@hubspot/api-client';
export const provider = 'hubspot';

/** What a promise is rejected with, in the client's own class. */
async function refusal(ApiException, promise) {
  const error = await promise.then(
    () => assert.fail('it was not refused'),
    (error) => error,
  );
  assert(error instanceof ApiException, `${error?.constructor?.name} instead of ApiException: ${error}`);
  return error;
}

export async function run({ require, base, key, slow, step }) {
  const { Client } = require(name);
  const { ApiException } = require(`${name}/lib/codegen/crm/contacts`);
  const { contacts, companies, owners } = new Client({ basePath: base, accessToken: key }).crm;
  const refused = (promise) => refusal(ApiException, promise);
  let made;

  await step('list', async () => {
    const page = await contacts.basicApi.getPage(3, undefined, ['email', 'lastname']);
    assert.equal(page.results.length, 3);
    assert(page.results.every(({ createdAt, properties }) => createdAt instanceof Date && properties.lastname));
    assert(page.paging.next.after);
    return `${page.results.length} records, more after ${page.paging.next.after}`;
  });
  await step('page through', async () => {
    const all = await contacts.getAll(10);
    const ids = new Set(all.map(({ id }) => id));
    assert.equal(ids.size, all.length);
    assert(all.length > 20);
    return `${all.length} records in ${Math.ceil(all.length / 10)} pages`;
  });
  await step('list with associations', async () => {
    const page = await companies.basicApi.getPage(5, undefined, ['name'], undefined, ['contacts']);
    const linked = page.results.flatMap(({ associations }) => associations?.contacts?.results ?? []);
    assert(linked.length > 0);
    return `${linked.length} contacts of ${page.results.length} companies`;
  });
  await step('search', async () => {
    const filters = [{ propertyName: 'lastname', operator: 'EQ', value: "O'Driscoll" }];
    const found = await contacts.searchApi.doSearch({ filterGroups: [{ filters }], properties: ['lastname'], limit: 10 });
    assert.deepEqual(found.results.map(({ properties }) => properties.lastname), ["O'Driscoll"]);
    return `${found.total} of ${(await contacts.getAll()).length}`;
  });
  await step('create', async () => {
    const properties = { email: 'zoë.æther@example.test', firstname: 'Zoë', lastname: 'Æther' };
    made = await contacts.basicApi.create({ properties, associations: [] });
    assert.equal(made.properties.lastname, 'Æther');
    return `id ${made.id}`;
  });
  await step('get', async () => {
    const { properties } = await contacts.basicApi.getById(made.id, ['firstname', 'email']);
    assert.deepEqual([properties.firstname, properties.email], ['Zoë', 'zoë.æther@example.test']);
    return `${properties.firstname}, ${properties.email}`;
  });
  await step('update', async () => {
    const { properties } = await contacts.basicApi.update(made.id, { properties: { jobtitle: 'Buyer' } });
    assert.equal(properties.jobtitle, 'Buyer');
    return `jobtitle ${properties.jobtitle}`;
  });
  await step('get several in one request', async () => {
    const several = await contacts.batchApi.read({ inputs: [{ id: made.id }], properties: ['jobtitle'], propertiesWithHistory: [] });
    assert.deepEqual(several.results.map(({ properties }) => properties.jobtitle), ['Buyer']);
    return several.status;
  });
  await step('owners', async () => {
    const { results } = await owners.ownersApi.getPage();
    assert(results.length > 0 && results.every(({ email }) => email.includes('@')));
    return `${results.length} owners`;
  });
  await step('refused: a second of the same', async () => {
    const error = await refused(contacts.basicApi.create({ properties: { email: 'zoë.æther@example.test' }, associations: [] }));
    assert.equal(error.code, 409);
    assert.match(error.body.message, new RegExp(`Existing ID: ${made.id}`));
    return `ApiException ${error.code} ${error.body.category}`;
  });
  await step('delete', async () => {
    await contacts.basicApi.archive(made.id);
    const error = await refused(contacts.basicApi.getById(made.id));
    assert.deepEqual([error.code, error.body.category], [404, 'OBJECT_NOT_FOUND']);
    return `then ApiException ${error.code} ${error.body.category}`;
  });
  await step('refused: an unknown property', async () => {
    const error = await refused(contacts.basicApi.create({ properties: { shoe_size: '44' }, associations: [] }));
    assert.deepEqual([error.code, error.body.category], [400, 'VALIDATION_ERROR']);
    assert.equal(error.headers['throughline-origin'], 'provider');
    return `ApiException ${error.code} ${error.body.category}`;
  });
  await step('refused: a key that is not ours', async () => {
    const stranger = new Client({ basePath: base, accessToken: 'pat-na1-a-token-of-the-vendor' });
    const error = await refused(stranger.crm.contacts.basicApi.getPage(1));
    assert.deepEqual([error.code, error.body.code], [401, 'unauthenticated']);
    return `ApiException ${error.code} ${error.body.code}`;
  });
  await step('refused: a limit of ours', async () => {
    // It tries again by itself for the vendor's own words alone; a limit of ours it reports, in its own class.
    const limiterOptions = { minTime: 0, maxConcurrent: 12 };
    const hasty = new Client({ basePath: base, accessToken: await slow(), numberOfApiCallRetries: 3, limiterOptions });
    const pages = await Promise.allSettled([1, 2, 3].map(() => hasty.crm.contacts.basicApi.getPage(1)));
    const errors = pages.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
    assert(errors.length > 0 && errors.length < 3, `${errors.length} of 3 were refused`);
    for (const error of errors) {
      assert(error instanceof ApiException, `${error?.constructor?.name} instead of ApiException: ${error}`);
      assert.deepEqual([error.code, error.body.code, error.body.origin], [429, 'rate-limited', 'caller']);
      assert.equal(error.headers['throughline-origin'], 'throughline');
    }
    const seconds = Number(errors[0].headers['retry-after']);
    assert(seconds >= 1 && seconds <= 3);
    await new Promise((done) => setTimeout(done, seconds * 1000));
    assert.equal((await hasty.crm.contacts.basicApi.getPage(1)).results.length, 1);
    return `${errors.length} times ApiException ${errors[0].code} ${errors[0].body.code}; answered after Retry-After: ${seconds}`;
  });
  await step('more searches than the limit', async () => {
    // Its own pace, which keeps it below the limit, is taken away; that it tries again stays.
    const hasty = new Client({ basePath: base, accessToken: key, numberOfApiCallRetries: 6, limiterOptions: { minTime: 0, maxConcurrent: 12 } });
    let retries = 0;
    const said = console.error;
    console.error = () => retries++;
    try {
      const one = { filterGroups: [], limit: 1 };
      const answers = await Promise.all(Array.from({ length: 12 }, () => hasty.crm.contacts.searchApi.doSearch(one)));
      assert(answers.every(({ results }) => results.length === 1));
      return `${answers.length} answers, ${retries} retries of its own`;
    } finally {
      console.error = said;
    }
  });
}
