// One headless Chromium with a profile of its own.
import { chromium } from "playwright-core"

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

export function launch(executablePath, profile) {
  return chromium.launchPersistentContext(profile, { executablePath, headless: true, args })
}
