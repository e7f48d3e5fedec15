// The page of the API description in a real browser: search, a link to one operation, requests with the session's
// cookie and with a bearer token, code samples, a phone. Nothing is asked of another host, and the page's policy is never broken.
//
// Usage: node docs_page.mjs GATEWAY_URL CHROMIUM PROFILE_FOLDER DESKTOP_SCREENSHOT PHONE_SCREENSHOT
import assert from "node:assert/strict"

import { chromium } from "playwright-core"

const [gateway, executablePath, profile, desktop, phone] = process.argv.slice(2)
const linked = `${gateway}/docs#tag/better-auth/POST/api/auth/sign-up/email`

// What keeps a headless browser from calling its maker's hosts; as root it cannot have a sandbox.
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]
const options = { executablePath, headless: true, args, viewport: { width: 1300, height: 900 } }
const context = await chromium.launchPersistentContext(profile, options)
const faults = []
context.on("request", (request) => {
  const { protocol, origin } = new URL(request.url())
  if (protocol.startsWith("http") && origin !== gateway) faults.push(`asked of another host: ${request.url()}`)
})

async function opened(address) {
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  page.on("pageerror", (error) => faults.push(String(error)))
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()))
  await page.goto(address)
  return page
}

/** Press Send in the dialog of one operation, and return the answer that the page gets. */
async function sent(page, method, path, token = "") {
  await page.locator("button", { hasText: `(${method} ${path})` }).click()
  if (token) await page.getByRole("dialog").getByPlaceholder("Token").fill(token)
  const [answer] = await Promise.all([
    page.waitForResponse((response) => new URL(response.url()).pathname === path),
    page.getByRole("dialog").getByRole("button", { name: new RegExp(`Send ${method} request`, "i") }).click(),
  ])
  await page.getByRole("dialog").getByRole("button", { name: "Close Client" }).click()
  await page.getByRole("dialog").waitFor({ state: "hidden" })
  return answer
}

try {
  // A link leads to one operation. Better Auth is the first group.
  const page = await opened(linked)
  await page.getByRole("heading", { name: "Sign up with an email address and a password" }).waitFor()
  const groups = await page.getByRole("navigation").first().innerText()
  assert.ok(groups.indexOf("Better Auth") < groups.indexOf("AccountService"), groups)

  // There are code samples with real values.
  await page.locator('pre', { hasText: '"ann@example.com"' }).first().waitFor()
  await page.locator("pre", { hasText: "curl" }).first().waitFor()
  await page.screenshot({ path: desktop })

  // The session's cookie goes with the page's requests.
  const signedUp = await sent(page, "post", "/api/auth/sign-up/email")
  assert.equal(signedUp.status(), 200, await signedUp.text())
  const session = await sent(page, "get", "/api/auth/get-session")
  assert.equal((await session.json()).user.email, "ann@example.com")

  // So does a bearer token, in a browser that has no cookie.
  await context.clearCookies()
  const own = await opened(`${gateway}/docs#tag/gateway/GET/v1/me`)
  const me = await sent(own, "get", "/v1/me", signedUp.headers()["set-auth-token"])
  assert.equal(me.status(), 200, await me.text())
  assert.equal((await me.json()).user.email, "ann@example.com")

  // The search finds an operation by its words, and leads to it.
  await page.keyboard.press("Control+k")
  await page.keyboard.type("mark read")
  await page.getByRole("dialog").getByText("/v1/notifications/{notificationId}:markRead").first().click()
  await page.waitForURL(/markRead/)

  // On a phone nothing is wider than the screen.
  const small = await opened(linked)
  await small.setViewportSize({ width: 390, height: 844 })
  await small.getByRole("heading", { name: "Sign up with an email address and a password" }).waitFor()
  assert.equal(await small.evaluate(() => document.documentElement.scrollWidth), 390)
  await small.screenshot({ path: phone })

  assert.deepEqual(faults, [])
} finally {
  await context.close()
}
