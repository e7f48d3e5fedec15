// npm's certified oidc-provider, whose person is told by POST /control and consents at once, or denies.
import { generateKeyPairSync } from "node:crypto"
import { createServer } from "node:http"
import { Provider } from "oidc-provider"

const [clientId, clientSecret, ...redirects] = process.argv.slice(2)
const people = new Map()
let control = { sub: "nobody", denies: false }

const server = createServer()
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: redirects,
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "tests" }] },
    cookies: { keys: ["a key for tests alone"] },
    pkce: { required: () => true },
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    features: { devInteractions: { enabled: false } },
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 3600, IdToken: 3600, Interaction: 600, RefreshToken: 3600, Session: 600 },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: async (_, sub) => ({ accountId: sub, claims: async () => people.get(sub) }),
  })
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith("/interaction/")) return next()
    const { prompt, params } = await provider.interactionDetails(ctx.req, ctx.res)
    await provider.interactionFinished(ctx.req, ctx.res, await decided(provider, prompt.name, params))
    ctx.respond = false
  })
  const callback = provider.callback()
  server.on("request", (request, response) => {
    if (request.method === "POST" && request.url === "/control") return read(request, response)
    return callback(request, response)
  })
  console.log(issuer)
})

async function decided(provider, prompt, params) {
  if (control.denies) return { error: "access_denied", error_description: "End-User aborted interaction" }
  if (prompt === "login") return { login: { accountId: control.sub } }
  const grant = new provider.Grant({ accountId: control.sub, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  return { consent: { grantId: await grant.save() } }
}

async function read(request, response) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  control = JSON.parse(Buffer.concat(chunks).toString())
  people.set(control.sub, control.claims)
  response.end()
}
