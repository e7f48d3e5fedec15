// Proving an address, and changing it, by mail.
import assert from "node:assert/strict"

import { email, link, signedUp } from "./common.mjs"

const { client, user } = await signedUp("ann")
assert.equal(user.emailVerified, false)
assert.deepEqual((await client.sendVerificationEmail({ email: email("ann"), callbackURL: "/" })).data, { status: true })
const token = (await link(email("ann"), "/verify-email")).searchParams.get("token")
const verified = await client.verifyEmail({ query: { token } })
assert.deepEqual(verified.data, { status: true, user: null })
assert.equal((await client.getSession()).data.user.emailVerified, true)
const bad = await client.verifyEmail({ query: { token: "bad" } })
assert.deepEqual(bad.error, { code: "INVALID_TOKEN", message: "Invalid token", status: 401, statusText: "Unauthorized" })

assert.deepEqual((await client.changeEmail({ newEmail: email("anna") })).data, { status: true })
const consent = (await link(email("ann"), "callbackURL=%2F")).searchParams.get("token")
for (const each of [consent, null]) {
  const given = each ?? (await link(email("anna"), "/verify-email")).searchParams.get("token")
  const { data, error } = await client.verifyEmail({ query: { token: given } })
  assert.equal(error, null)
  assert.equal(data.status, true)
}
assert.equal((await client.getSession()).data.user.email, email("anna"))
const same = await client.changeEmail({ newEmail: email("anna") })
assert.deepEqual(same.error, { message: "Email is the same", status: 400, statusText: "Bad Request" })
