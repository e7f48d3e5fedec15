// Leaving by a mailed link would need another setting; with a fresh session alone it is at once.
import assert from "node:assert/strict"

import { browser, email, password, signedUp } from "./common.mjs"

const { client } = await signedUp("ann")
assert.deepEqual((await client.deleteUser()).data, { success: true, message: "User deleted" })
assert.equal((await client.getSession()).data, null)
const gone = await browser().signIn.email({ email: email("ann"), password })
assert.equal(gone.error.code, "INVALID_EMAIL_OR_PASSWORD")
const again = await signedUp("ann")
assert.equal(again.user.email, email("ann"))
