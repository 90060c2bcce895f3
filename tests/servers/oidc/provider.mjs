// An OpenID provider on loopback (oidc-provider, certified). Whoever signs in says who: `login` is the account, and the
// claims of an account are those of CLAIMS (JSON: account → claims). Arguments: port, client id, secret, redirect URI.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [port, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const claims = JSON.parse(process.env.CLAIMS);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri], application_type: 'web',
    grant_types: ['authorization_code'], response_types: ['code'],
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
  conformIdTokenClaims: true, // e-mail only from the userinfo endpoint, as the standard has it
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['of a test'] },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...claims[sub] }) }),
});

const answer = provider.callback();
createServer(async (request, response) => {
  const found = /^\/interaction\/[^/?]+(?:\?login=(.*))?$/.exec(request.url);
  if (!found) return answer(request, response);
  const { params, prompt } = await provider.interactionDetails(request, response);
  if (found[1] === undefined) return response.end(`interaction ${prompt.name}`);
  const login = decodeURIComponent(found[1]);
  const grant = new provider.Grant({ accountId: login, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { login: { accountId: login }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
