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

// Both addresses are asked: first the one that she has, then the one that she wants.
const change = await client.changeEmail({ newEmail: email("anna"), callbackURL: "/changed" })
assert.deepEqual(change.data, { status: true })
for (const [to, part] of [[email("ann"), "callbackURL=%2Fchanged"], [email("anna"), "/verify-email"]]) {
  const mailed = await link(to, part)
  const { data, error } = await client.verifyEmail({ query: { token: mailed.searchParams.get("token") } })
  assert.equal(error, null)
  assert.equal(data.status, true)
}
assert.equal((await client.getSession()).data.user.email, email("anna"))
const same = await client.changeEmail({ newEmail: email("anna") })
assert.deepEqual(same.error, { message: "Email is the same", status: 400, statusText: "Bad Request" })
