// The way to another sign-in page.
import assert from "node:assert/strict"

import { browser, origin } from "./common.mjs"

const client = browser()
const { data } = await client.signIn.social({ provider: "github", callbackURL: `${origin}/`, disableRedirect: true })
const there = new URL(data.url)
assert.equal(data.redirect, false)
assert.equal(there.origin + there.pathname, "https://github.com/login/oauth/authorize")
assert.equal(there.searchParams.get("client_id"), "github-id")
assert.equal(there.searchParams.get("response_type"), "code")
assert.equal(there.searchParams.get("code_challenge_method"), "S256")
assert.match(there.searchParams.get("state"), /^[\w-]{32}$/)
assert.equal((await client.signIn.social({ provider: "zzz" })).error.code, "PROVIDER_NOT_FOUND")
