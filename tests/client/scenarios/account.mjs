// What a person changes: name, picture, password; and leaving.
import assert from "node:assert/strict"

import { browser, email, password, signedUp } from "./common.mjs"

const { client, user, token } = await signedUp("ann")
assert.deepEqual((await client.updateUser({ name: "Ann B", image: "https://x.example/a.png" })).data, { status: true })
const renamed = (await client.getSession()).data.user
assert.equal(renamed.name, "Ann B")
assert.equal(renamed.image, "https://x.example/a.png")
assert.ok(renamed.updatedAt >= user.updatedAt)

const nothing = await client.updateUser({ name: undefined })
assert.deepEqual(nothing.error, { message: "No fields to update", status: 400, statusText: "Bad Request" })

const other = browser()
await other.signIn.email({ email: email("ann"), password })
const wrong = await client.changePassword({ currentPassword: "not it at all", newPassword: "another password" })
assert.equal(wrong.error.code, "INVALID_PASSWORD")
const changed = await client.changePassword({
  currentPassword: password,
  newPassword: "another password",
  revokeOtherSessions: true,
})
assert.equal(changed.error, null)
assert.equal(changed.data.user.id, user.id)
assert.notEqual(changed.data.token, token)
assert.equal((await client.getSession()).data.session.token, changed.data.token, "the new cookie is the client's")
assert.equal((await other.getSession()).data, null, "the other session has ended")
assert.equal((await other.signIn.email({ email: email("ann"), password })).error.status, 401)
assert.equal((await other.signIn.email({ email: email("ann"), password: "another password" })).error, null)

const accounts = (await client.listAccounts()).data
assert.deepEqual(accounts.map((account) => [account.providerId, account.accountId]), [["credential", user.id]])
const last = await client.unlinkAccount({ accountId: accounts[0].id })
assert.equal(last.error.code, "FAILED_TO_UNLINK_LAST_ACCOUNT")

assert.equal((await client.deleteUser({ password: "not it at all" })).error.code, "INVALID_PASSWORD")
assert.deepEqual((await client.deleteUser({ password: "another password" })).data, {
  success: true,
  message: "User deleted",
})
assert.equal((await client.getSession()).data, null)
assert.equal((await other.getSession()).data, null)
