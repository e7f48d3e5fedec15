// The original server as it is fastest in production by its own settings: its rate limit on, no telemetry, joins.
//
// Usage: node server.mjs DATABASE_URL PORT SECRET CONNECTIONS MEMORY_KIB PASSES COOKIE_CACHE [REDIS_URL]
// The tables are made first; it listens when they are there. With Redis, sessions are kept there and not in the database.
import { createServer } from "node:http"

import { Algorithm, hash, verify } from "@node-rs/argon2"
import { betterAuth } from "better-auth"
import { getMigrations } from "better-auth/db/migration"
import { toNodeHandler } from "better-auth/node"
import { Redis } from "ioredis"
import { createPool } from "mysql2/promise"

const [uri, port, secret, connections, memoryKib, passes, cookieCache, redisUrl] = process.argv.slice(2)

// The parameters of our own hasher, which its native threads compute as ours do.
const cost = {
  algorithm: Algorithm.Argon2id,
  memoryCost: Number(memoryKib),
  timeCost: Number(passes),
  parallelism: 1,
}

// Commands of one turn of the event loop leave together, which is how ioredis is fastest.
function storage(url) {
  const redis = new Redis(url, { enableAutoPipelining: true })
  return {
    get: (key) => redis.get(key),
    set: (key, value, ttl) => (ttl ? redis.set(key, value, "EX", ttl) : redis.set(key, value)),
    delete: (key) => redis.del(key),
    getAndDelete: (key) => redis.getdel(key),
    increment: async (key, ttl) => {
      const count = await redis.incr(key)
      if (count === 1) await redis.expire(key, ttl)
      return count
    },
  }
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
  ...(redisUrl && { secondaryStorage: storage(redisUrl) }),
  session: { cookieCache: { enabled: cookieCache === "on", maxAge: 3600 } },
  rateLimit: { enabled: true },
  logger: { level: "error" },
  telemetry: { enabled: false },
  advanced: { database: { joins: true } },
}

const { runMigrations } = await getMigrations(options)
await runMigrations()
createServer(toNodeHandler(betterAuth(options))).listen(Number(port), "127.0.0.1")
