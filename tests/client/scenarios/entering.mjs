// Signing up, in and out; what get-session gives; what an error is.
import assert from "node:assert/strict"

import { browser, email, password, signedUp } from "./common.mjs"

const { client, user, token } = await signedUp("ann")
assert.equal(user.email, email("ann"))
assert.equal(user.image, null)
assert.match(user.id, /^[A-Za-z0-9]{32}$/)
assert.match(token, /^[A-Za-z0-9]{32}$/)
assert.ok(user.createdAt instanceof Date, "dates are dates")
assert.ok(Math.abs(user.createdAt - Date.now()) < 60_000)

const session = (await client.getSession()).data
assert.equal(session.user.id, user.id)
assert.equal(session.session.token, token)
assert.equal(session.session.userId, user.id)
assert.ok(session.session.expiresAt instanceof Date)
assert.ok(Math.abs(session.session.expiresAt - Date.now() - 7 * 86_400_000) < 60_000)

const twice = await browser().signUp.email({ name: "Ann", email: email("ann"), password })
assert.equal(twice.data, null)
assert.deepEqual(twice.error, {
  code: "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
  message: "User already exists. Use another email.",
  status: 422,
  statusText: "Unprocessable Entity",
})

const other = browser()
const wrong = await other.signIn.email({ email: email("ann"), password: "not her password" })
assert.deepEqual(wrong.error, {
  code: "INVALID_EMAIL_OR_PASSWORD",
  message: "Invalid email or password",
  status: 401,
  statusText: "Unauthorized",
})
const invalid = await other.signIn.email({ email: email("ann") })
assert.equal(invalid.error.code, "VALIDATION_ERROR")
assert.equal(invalid.error.status, 400)

assert.equal((await other.getSession()).data, null)
const signedIn = await other.signIn.email({ email: email("ann"), password, rememberMe: false })
assert.equal(signedIn.error, null)
assert.equal(signedIn.data.redirect, false)
assert.equal(signedIn.data.user.id, user.id)
assert.equal("url" in signedIn.data, false)

assert.deepEqual((await other.signOut()).data, { success: true })
assert.equal((await other.getSession()).data, null)
assert.equal((await client.getSession()).data.user.id, user.id, "the first browser is signed in still")

const missing = await client.noSuchRoute()
assert.equal(missing.error.status, 404)
assert.equal(missing.error.statusText, "Not Found")
