// The vendor's client in both versions of its API: persons in the second, notes in the first.
import assert from 'node:assert/strict';

export const name = 'pipedrive';
export const provider = 'pipedrive';

/** What the client rejects with: the body of the refusal. */
async function refused(promise) {
  return promise.then(
    () => assert.fail('it was not refused'),
    (error) => {
      if (error instanceof assert.AssertionError) throw error;
      return error;
    },
  );
}

export async function run({ require, base, key, slow, step }) {
  const [first, second] = [require(`${name}/v1`), require(`${name}/v2`)];
  const configured = (version) => ({ basePath: `${base}/api/${version}` });
  const persons = new second.PersonsApi(new second.Configuration({ apiKey: key, ...configured('v2') }));
  const notes = new first.NotesApi(new first.Configuration({ apiKey: key, ...configured('v1') }));
  let made, note;

  await step('list', async () => {
    const { success, data, additional_data } = await persons.getPersons({ limit: 4, sort_by: 'id', sort_direction: 'desc' });
    assert(success);
    assert.deepEqual(data.map(({ id }) => id), data.map(({ id }) => id).sort((a, b) => b - a));
    assert.equal(data.length, 4);
    assert(additional_data.next_cursor);
    return `${data.length} records, newest first`;
  });
  await step('page through', async () => {
    const ids = new Set();
    let cursor, pages = 0;
    do {
      const { data, additional_data } = await persons.getPersons({ limit: 6, cursor });
      data.forEach(({ id }) => ids.add(id));
      cursor = additional_data.next_cursor ?? undefined;
      assert(++pages < 50);
    } while (cursor);
    assert.equal(ids.size, 20);
    return `${ids.size} records in ${pages} pages`;
  });
  await step('search', async () => {
    const { data } = await persons.searchPersons({ term: "O'Driscoll", fields: 'name' });
    assert.deepEqual(data.items.map(({ item }) => item.name), ["Saoirse O'Driscoll"]);
    return data.items[0].item.name;
  });
  await step('create', async () => {
    const emails = [{ value: 'zoe@example.test', primary: true, label: 'work' }];
    const { success, data } = await persons.addPerson({ AddPersonRequest: { name: 'Zoë Æther', emails } });
    assert(success);
    made = data.id;
    return `id ${made}`;
  });
  await step('get', async () => {
    const { data } = await persons.getPerson({ id: made });
    assert.deepEqual([data.name, data.emails[0].value], ['Zoë Æther', 'zoe@example.test']);
    return `${data.name}, ${data.emails[0].value}`;
  });
  await step('update', async () => {
    const { data } = await persons.updatePerson({ id: made, UpdatePersonRequest: { job_title: 'Buyer' } });
    assert.equal(data.job_title, 'Buyer');
    return `job_title ${data.job_title}`;
  });
  await step('create, in the first version', async () => {
    const { success, data } = await notes.addNote({ AddNoteRequest: { content: 'Calls only before noon.', person_id: made } });
    assert(success);
    note = data.id;
    return `note ${note}`;
  });
  await step('update by PUT', async () => {
    const { data } = await notes.updateNote({ id: note, NoteRequest: { content: 'Calls only after noon.' } });
    assert.equal(data.content, 'Calls only after noon.');
    return data.content;
  });
  await step('list with a filter', async () => {
    const { data } = await notes.getNotes({ person_id: made });
    assert.deepEqual(data.map(({ id }) => id), [note]);
    return `${data.length} note of this person`;
  });
  await step('delete', async () => {
    assert.equal((await notes.deleteNote({ id: note })).success, true);
    assert.equal((await persons.deletePerson({ id: made })).data.id, made);
    const error = await refused(persons.getPerson({ id: made }));
    assert.deepEqual([error.success, error.code], [false, 'ERR_NOT_FOUND']);
    return `then ${error.code}: ${error.error}`;
  });
  await step('refused: a name is missing', async () => {
    const error = await refused(persons.addPerson({ AddPersonRequest: {} }));
    assert.deepEqual([error.success, error.code], [false, 'ERR_SCHEMA_VALIDATION_FAILED']);
    return `${error.code}: ${error.error}`;
  });
  await step('refused: a key that is not ours', async () => {
    const stranger = new second.PersonsApi(new second.Configuration({ apiKey: 'a'.repeat(40), ...configured('v2') }));
    const error = await refused(stranger.getPersons({ limit: 1 }));
    assert.deepEqual([error.status, error.code], [401, 'unauthenticated']);
    return `${error.status} ${error.code}`;
  });
  await step('refused: a limit of ours', async () => {
    const hasty = new second.PersonsApi(new second.Configuration({ apiKey: await slow(), ...configured('v2') }));
    const pages = await Promise.allSettled([1, 2, 3].map(() => hasty.getPersons({ limit: 1 })));
    const errors = pages.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
    assert(errors.length > 0 && errors.length < 3, `${errors.length} of 3 were refused`);
    for (const error of errors) assert.deepEqual([error.status, error.code, error.retryable], [429, 'rate-limited', true]);
    await new Promise((done) => setTimeout(done, errors[0].retry_after * 1000));
    assert.equal((await hasty.getPersons({ limit: 1 })).data.length, 1);
    return `${errors.length} times ${errors[0].status} ${errors[0].code}; answered after ${errors[0].retry_after} s`;
  });
  await step('an access token instead of a key', async () => {
    const settings = new second.Configuration({ accessToken: key, ...configured('v2') });
    const { data } = await new second.PersonsApi(settings).getPersons({ limit: 1 });
    assert.equal(data.length, 1);
    return `${data.length} record`;
  });
}
