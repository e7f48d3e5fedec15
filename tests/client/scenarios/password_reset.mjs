// A forgotten password, by mail.
import assert from "node:assert/strict"

import { browser, email, link, origin, password, signedUp } from "./common.mjs"

await signedUp("ann")
const stranger = browser()
const asked = await stranger.requestPasswordReset({ email: email("ann"), redirectTo: `${origin}/reset` })
assert.equal(asked.data.status, true)
const nobody = await stranger.requestPasswordReset({ email: email("nobody"), redirectTo: `${origin}/reset` })
assert.deepEqual(nobody.data, asked.data, "it does not tell who has an account")

const mailed = await link(email("ann"), "/reset-password/")
assert.equal(mailed.searchParams.get("callbackURL"), `${origin}/reset`)
const token = mailed.pathname.split("/").at(-1)
assert.equal((await stranger.resetPassword({ newPassword: "short", token })).error.code, "PASSWORD_TOO_SHORT")
assert.deepEqual((await stranger.resetPassword({ newPassword: "another password", token })).data, { status: true })
assert.equal((await stranger.resetPassword({ newPassword: "a third password", token })).error.code, "INVALID_TOKEN")
assert.equal((await stranger.signIn.email({ email: email("ann"), password })).error.status, 401)
assert.equal((await stranger.signIn.email({ email: email("ann"), password: "another password" })).error, null)
