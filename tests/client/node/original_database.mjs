// The original on a database of its own: people sign up there, or come back there.
//
// Usage: node original_database.mjs DATABASE_URL SECRET sign-up|sign-in PASSWORD_MODULE|- EMAIL PASSWORD ...
// Prints a JSON list with the status, the cookie and the user of each.
import { betterAuth } from "better-auth"
import { getMigrations } from "better-auth/db/migration"
import { createPool } from "mysql2/promise"

const [databaseUrl, secret, verb, module, ...people] = process.argv.slice(2)
const own = module === "-" ? {} : { password: (await import(module)).password }
const database = createPool({ uri: databaseUrl, timezone: "Z" })
const options = {
  baseURL: "http://localhost:3999",
  secret,
  database,
  emailAndPassword: { enabled: true, ...own },
  rateLimit: { enabled: false },
  logger: { disabled: true },
  telemetry: { enabled: false },
}
await (await getMigrations(options)).runMigrations()
const auth = betterAuth(options)

const answers = []
for (let at = 0; at < people.length; at += 2) {
  const [email, password] = people.slice(at, at + 2)
  const response = await auth.handler(
    new Request(`http://localhost:3999/api/auth/${verb}/email`, {
      method: "POST",
      headers: { origin: "http://localhost:3999", "content-type": "application/json" },
      body: JSON.stringify({ name: email.split("@")[0], email, password }),
    }),
  )
  const cookie = response.headers.getSetCookie().map((each) => each.split(";")[0])
  answers.push({ status: response.status, cookie: cookie.join("; "), user: (await response.json()).user })
}
console.log(JSON.stringify(answers))
await database.end()
