// Several sessions of one person: listed, ended one by one and all together.
import assert from "node:assert/strict"

import { browser, email, password, signedUp } from "./common.mjs"

const { client, token } = await signedUp("ann")
const another = async () => {
  const opened = browser()
  assert.equal((await opened.signIn.email({ email: email("ann"), password })).error, null)
  return opened
}
const tablet = await another()
const phone = await another()

const listed = (await client.listSessions()).data
assert.equal(listed.length, 3)
assert.ok(listed.every((session) => session.expiresAt instanceof Date && session.createdAt instanceof Date))
const own = listed.filter((session) => session.token === token)
assert.equal(own.length, 1, "the caller finds its own session by its token")

const victim = listed.filter((session) => session.token !== token)[0]
assert.deepEqual((await client.revokeSession({ token: victim.token })).data, { status: true })
assert.equal((await client.listSessions()).data.length, 2)
const alive = await Promise.all([tablet, phone].map(async (each) => (await each.getSession()).data !== null))
assert.deepEqual(alive.toSorted(), [false, true], "one of the two was ended")

assert.deepEqual((await client.revokeOtherSessions()).data, { status: true })
for (const each of [tablet, phone]) assert.equal((await each.getSession()).data, null)
assert.notEqual((await client.getSession()).data, null)

assert.deepEqual((await client.revokeSessions()).data, { status: true })
assert.equal((await client.getSession()).data, null)
const refused = await client.listSessions()
assert.deepEqual(refused.error, { code: "UNAUTHORIZED", message: "Unauthorized", status: 401, statusText: "Unauthorized" })
