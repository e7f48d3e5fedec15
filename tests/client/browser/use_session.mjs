// `useSession` in a real browser, on a page of another origin: two tabs, and a session that is ended from elsewhere.
//
// Usage: node use_session.mjs GATEWAY_URL PAGE_ORIGIN CHROMIUM PROFILE_FOLDER SCREENSHOT
import assert from "node:assert/strict"

import { launch } from "./launch.mjs"

const [gateway, origin, executablePath, profile, screenshot] = process.argv.slice(2)
const address = `${origin}/?gateway=${encodeURIComponent(gateway)}#ann.${process.pid}@browser.example.com`

const context = await launch(executablePath, profile)
const faults = []

async function tab() {
  const page = await context.newPage()
  page.on("pageerror", (error) => faults.push(String(error)))
  await page.goto(address)
  return page
}

const shows = (page, text) => page.locator("output", { hasText: text }).waitFor({ timeout: 10_000 })
const press = (page, name) => page.getByRole("button", { name, exact: true }).click()

try {
  const first = await tab()
  await shows(first, "nobody")
  await press(first, "Sign up")
  await shows(first, "Ann is here")

  const second = await tab()
  await shows(second, "Ann is here")

  await press(first, "Rename")
  await shows(first, "Ann B is here")
  await shows(second, "Ann B is here")

  await press(first, "Sign out")
  await shows(first, "nobody")
  await shows(second, "nobody")

  // The client tells other tabs of a change and of signing out, not of signing in: there focus or asking does.
  await press(second, "Sign in")
  await shows(second, "Ann B is here")
  await press(first, "Ask again")
  await shows(first, "Ann B is here")

  const [cookie] = await context.cookies(gateway)
  assert.equal(cookie.name, "better-auth.session_token")
  assert.equal(cookie.httpOnly, true)
  assert.equal(cookie.sameSite, "Lax")
  assert.equal(await first.evaluate(() => document.cookie), "", "no script reads it")
  await first.screenshot({ path: screenshot })

  // From elsewhere: a program that holds the same session ends it, and no tab hears of that by itself.
  const ended = await fetch(`${gateway}/api/auth/revoke-sessions`, {
    method: "POST",
    headers: { cookie: `${cookie.name}=${cookie.value}`, origin },
  })
  assert.equal(ended.status, 200)
  await shows(first, "Ann B is here")
  await press(first, "Ask again")
  await shows(first, "nobody")
  await press(second, "Ask again")
  await shows(second, "nobody")
  assert.deepEqual(faults, [])
} finally {
  await context.close()
}
