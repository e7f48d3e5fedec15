// README's React example in a real browser: sign up, sign out, a wrong password, sign in.
//
// Usage: node readme.mjs ADDRESS CHROMIUM PROFILE_FOLDER
import assert from "node:assert/strict"

import { launch } from "./launch.mjs"

const [address, executablePath, profile] = process.argv.slice(2)

const context = await launch(executablePath, profile)
const faults = []
const email = `readme.${process.pid}@browser.example.com`

try {
  const page = await context.newPage()
  page.on("pageerror", (error) => faults.push(String(error)))
  await page.goto(address)
  const press = (name) => page.getByRole("button", { name, exact: true }).click()
  const shows = (text) => page.getByText(text).waitFor({ timeout: 10_000 })
  const fill = async (fields) => {
    for (const [name, value] of Object.entries(fields)) await page.locator(`input[name=${name}]`).fill(value)
  }

  await fill({ name: "Ann", email, password: "correct horse battery" })
  await press("Sign up")
  await shows("Hello, Ann.")
  await press("Sign out")

  await fill({ email, password: "wrong horse battery" })
  await press("Sign in")
  await shows("Invalid email or password")

  await fill({ password: "correct horse battery" })
  await press("Sign in")
  await shows("Hello, Ann.")
  await page.reload()
  await shows("Hello, Ann.")
  assert.deepEqual(faults, [])
} finally {
  await context.close()
}
