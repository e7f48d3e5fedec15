// Asks the original's own functions: each line of standard input is a question in JSON, each of standard output its answer.
import { readFileSync } from "node:fs"
import { matchesOriginPattern } from "../node_modules/better-auth/dist/auth/trusted-origins.mjs"
import { createInternalContext } from "../node_modules/better-call/dist/context.mjs"

const answers = {
  // The value of a signed cookie as a Cookie header holds it, or false or null.
  async cookie({ header, name, secret }) {
    const context = await createInternalContext({ headers: new Headers({ cookie: header }) }, { options: {}, path: "/" })
    return context.getSignedCookie(name, secret)
  },
  // Whether a body is JSON to what the original reads requests with.
  json: ({ hex }) => new Response(Buffer.from(hex, "hex")).json().then(() => true, () => false),
  // Whether a callback may be followed if one pattern is trusted.
  origin: ({ url, pattern }) => matchesOriginPattern(url, pattern, { allowRelativePaths: true }),
}

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { ask, ...question } = JSON.parse(line)
  console.log(JSON.stringify(await answers[ask](question)))
}
