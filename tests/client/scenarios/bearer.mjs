// A client without cookies, as the original's documentation of bearer tokens sets it up.
import assert from "node:assert/strict"

import { createAuthClient } from "better-auth/client"

import { email, gateway, origin, password, signedUp } from "./common.mjs"

await signedUp("ann")
let token = ""
const client = createAuthClient({
  baseURL: gateway,
  fetchOptions: {
    headers: { origin },
    auth: { type: "Bearer", token: () => token },
    onSuccess: ({ response }) => {
      token = response.headers.get("set-auth-token") ?? token
    },
  },
})
assert.equal((await client.getSession()).data, null)
const entered = await client.signIn.email({ email: email("ann"), password })
assert.ok(token.startsWith(`${entered.data.token}.`))
assert.equal((await client.getSession()).data.user.email, email("ann"))
assert.deepEqual((await client.updateUser({ name: "Ann B" })).data, { status: true })
assert.equal((await client.signOut()).error, null)
assert.equal((await client.getSession()).data, null)
