// The original server as it is fastest by its own settings: production, no rate limit, no telemetry, joins.
//
// Usage: node server.mjs DATABASE_URL PORT SECRET CONNECTIONS MEMORY_KIB PASSES COOKIE_CACHE
// The tables are made first; it listens when they are there.
import { createServer } from "node:http"

import { Algorithm, hash, verify } from "@node-rs/argon2"
import { betterAuth } from "better-auth"
import { getMigrations } from "better-auth/db/migration"
import { toNodeHandler } from "better-auth/node"
import { createPool } from "mysql2/promise"

const [uri, port, secret, connections, memoryKib, passes, cookieCache] = process.argv.slice(2)

// The parameters of our own hasher, which its native threads compute as ours do.
const cost = {
  algorithm: Algorithm.Argon2id,
  memoryCost: Number(memoryKib),
  timeCost: Number(passes),
  parallelism: 1,
}

const options = {
  baseURL: `http://127.0.0.1:${port}`,
  secret,
  database: createPool({ uri, connectionLimit: Number(connections), timezone: "Z" }),
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => hash(password, cost),
      verify: ({ hash: stored, password }) => verify(stored, password),
    },
  },
  session: { cookieCache: { enabled: cookieCache === "on", maxAge: 3600 } },
  rateLimit: { enabled: false },
  logger: { level: "error" },
  telemetry: { enabled: false },
  advanced: { database: { joins: true } },
}

const { runMigrations } = await getMigrations(options)
await runMigrations()
createServer(toNodeHandler(betterAuth(options))).listen(Number(port), "127.0.0.1")
