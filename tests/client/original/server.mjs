// The original server with the options of one variant, for the exchanges that ours is compared with.
//
// Usage: node server.mjs DATABASE_URL VARIANT BASE_URL SECRET
// Prints one line, `ready PORT`. What it would mail is kept and shown at /__mail, newest first.
import { createServer } from "node:http"

import { betterAuth } from "better-auth"
import { getMigrations } from "better-auth/db/migration"
import { toNodeHandler } from "better-auth/node"
import { bearer } from "better-auth/plugins"
import { createPool } from "mysql2/promise"

const [databaseUrl, variant, baseURL, secret] = process.argv.slice(2)
const kept = []

const keep = (kind) => async ({ user, url, newEmail }) => {
  kept.unshift({ kind, to: user.email, url, newEmail })
}

const mails = { sendVerificationEmail: keep("verify-email") }
const password = { enabled: true, sendResetPassword: keep("reset-password") }
const changeEmail = { enabled: true, sendChangeEmailConfirmation: keep("confirm-email-change") }

// What every variant has, unless it says otherwise.
const common = {
  emailAndPassword: password,
  emailVerification: mails,
  user: { changeEmail, deleteUser: { enabled: true } },
}

const variants = {
  default: common,
  verified: {
    ...common,
    emailAndPassword: { ...password, requireEmailVerification: true },
    emailVerification: { ...mails, sendOnSignUp: true, sendOnSignIn: true, autoSignInAfterVerification: true },
    user: { changeEmail, deleteUser: { enabled: true, sendDeleteAccountVerification: keep("delete-account") } },
  },
  quiet: {
    emailAndPassword: { enabled: true, autoSignIn: false },
  },
  compact: { ...common, session: { cookieCache: { enabled: true, strategy: "compact" } } },
  jwt: {
    ...common,
    session: {
      cookieCache: { enabled: true, strategy: "jwt" },
      additionalFields: { theme: { type: "string", required: false } },
    },
    user: {
      ...common.user,
      additionalFields: {
        company: { type: "string", required: false },
        seats: { type: "number", required: false },
        newsletter: { type: "boolean", required: false },
        tier: { type: "string", required: false, input: false, defaultValue: "free" },
      },
    },
  },
  limited: { ...common, rateLimit: { enabled: true } },
}

const pool = createPool({ uri: databaseUrl, timezone: "Z" })
const options = {
  baseURL,
  secret,
  database: pool,
  trustedOrigins: ["https://app.example.com", "https://*.example.org"],
  socialProviders: {
    github: { clientId: "github-id", clientSecret: "github-secret" },
    google: { clientId: "google-id", clientSecret: "google-secret" },
  },
  plugins: [bearer()],
  rateLimit: { enabled: false },
  logger: { disabled: true },
  telemetry: { enabled: false },
  ...variants[variant],
}

const { runMigrations } = await getMigrations(options)
await runMigrations()
const answer = toNodeHandler(betterAuth(options))

const server = createServer((request, response) => {
  if (request.url === "/__mail") {
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(kept))
  } else {
    answer(request, response)
  }
})
server.listen(0, "127.0.0.1", () => console.log(`ready ${server.address().port}`))
process.on("SIGTERM", () => {
  server.closeAllConnections()
  server.close()
  pool.end()
})
