// The API of a small vendor: one contact to read, and one to write.
import { json, read } from './http.mjs';

export function vendor(server, counts) {
  return async (request, response) => {
    const body = await read(request);
    counts.requests++;
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const customer = token && (await server.customer(token));
    if (!customer) {
      counts.unauthorized++;
      return json(response, 401, { error: 'the access token is not active' });
    }
    const contact = { id: '1', name: customer };
    if (request.method === 'POST') return json(response, 201, { ...contact, ...JSON.parse(body) });
    return json(response, 200, request.url.startsWith('/contacts/') ? contact : { items: [contact] });
  };
}
