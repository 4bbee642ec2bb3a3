// The authorization server: opaque tokens, every refresh retires the old refresh token, and one that is used again
// ends its whole family.
import { createServer } from 'node:http';

import { listen } from './http.mjs';

export const CLIENT = { client_id: 'proxy', client_secret: 'canary-client-secret-5f0c2b' };

export async function authorization(Provider, counts, log) {
  const stored = new Map(); // by kind and id
  const lifetimes = new Map(); // of access tokens, by grant
  const families = new Set();

  class Adapter {
    constructor(kind) {
      this.kind = kind;
    }
    key = (id) => `${this.kind}:${id}`;
    async upsert(id, payload) {
      stored.set(this.key(id), payload);
    }
    async find(id) {
      return stored.get(this.key(id));
    }
    async findByUid() {}
    async findByUserCode() {}
    async destroy(id) {
      stored.delete(this.key(id));
    }
    async consume(id) {
      const payload = stored.get(this.key(id));
      // Two at once can both have passed the check.
      if (payload.consumed) reuse(payload.grantId);
      payload.consumed = Math.floor(Date.now() / 1000);
      counts.rotations++;
      log('rotated', { grant: payload.grantId });
    }
    async revokeByGrantId(grant) {
      if (families.delete(grant)) {
        counts.revoked++;
        log('revoked', { grant });
      }
      for (const [key, payload] of stored) if (payload.grantId === grant) stored.delete(key);
    }
  }
  function reuse(grant) {
    counts.reuses++;
    log('reused', { grant });
  }

  // The issuer has to be known before the server is there.
  let callback;
  const issuer = await listen(createServer((request, response) => callback(request, response)));
  const provider = new Provider(issuer, {
    adapter: Adapter,
    clients: [{ ...CLIENT, redirect_uris: ['http://127.0.0.1/none'], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' }],
    scopes: ['offline_access', 'crm'],
    rotateRefreshToken: () => true,
    clockTolerance: 0,
    cookies: { keys: ['none'] },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    findAccount: async (_, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    ttl: { AccessToken: (_, token) => lifetimes.get(token.grantId) ?? 10, RefreshToken: 3600, Grant: 3600 },
  });
  callback = provider.callback();
  // Marked, so that a search finds them wherever they should not be.
  for (const [kind, mark] of [['AccessToken', 'canary-access-'], ['RefreshToken', 'canary-refresh-']]) {
    const own = provider[kind].prototype.generateTokenId;
    provider[kind].prototype.generateTokenId = function () {
      return mark + own.call(this);
    };
  }
  provider.on('grant.error', (context, error) => {
    if (error.error_detail === 'refresh token already used') reuse(grantOf(context.oidc.params.refresh_token));
    log('refused', { error: error.error, detail: error.error_detail ?? error.message });
  });
  provider.on('server_error', (_, error) => log('failed', { error: String(error.stack) }));
  const client = await provider.Client.find(CLIENT.client_id);

  const grantOf = (refreshToken) => stored.get(`RefreshToken:${refreshToken}`)?.grantId;

  // Families of tokens, as if so many customers had given consent. `lifetime` is that of later access tokens.
  async function mint({ count = 1, lifetime = 10, first = lifetime }) {
    const minted = [];
    for (let at = 0; at < count; at++) {
      const grant = new provider.Grant({ accountId: `customer-${counts.minted++}`, clientId: CLIENT.client_id });
      grant.addOIDCScope('crm');
      const grantId = await grant.save();
      families.add(grantId);
      const common = { accountId: grant.accountId, client, grantId, gty: 'authorization_code', scope: 'crm' };
      lifetimes.set(grantId, first);
      const access = new provider.AccessToken(common);
      const access_token = await access.save();
      lifetimes.set(grantId, lifetime);
      const refresh_token = await new provider.RefreshToken(common).save();
      const expires_at = new Date((Math.floor(Date.now() / 1000) + first) * 1000).toISOString();
      minted.push({ grant: grantId, access_token, refresh_token, expires_at });
    }
    return minted;
  }

  return {
    issuer,
    mint,
    grantOf,
    // The customer of an access token that is active.
    customer: async (token) => (await provider.AccessToken.find(token))?.accountId,
  };
}
