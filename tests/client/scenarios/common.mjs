// What every scenario of the unmodified client in Node begins with.
//
// Usage of a scenario: node SCENARIO.mjs GATEWAY_URL PAGE_ORIGIN
import { createAuthClient } from "better-auth/client"

export const [gateway, origin] = process.argv.slice(2)
export const password = "correct horse battery"

// Node's fetch keeps no cookies and names no origin; a browser does both.
export function browser(options = {}) {
  const jar = new Map()
  const customFetchImpl = async (input, init = {}) => {
    const headers = new Headers(init.headers)
    if (jar.size) headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "))
    const response = await fetch(input, { ...init, headers })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
      if (/max-age=0(;|$)/i.test(cookie)) jar.delete(name)
      else jar.set(name, value)
    }
    return response
  }
  return createAuthClient({ baseURL: gateway, fetchOptions: { headers: { origin }, customFetchImpl }, ...options })
}

export const email = (name) => `${name}.${process.pid}@client.example.com`

// Signs somebody up, in a browser of their own.
export async function signedUp(name) {
  const client = browser()
  const { data, error } = await client.signUp.email({ name, email: email(name), password })
  if (error) throw new Error(JSON.stringify(error))
  return { client, user: data.user, token: data.token }
}

// The link of the newest mail to somebody that has `part` in it, once it is there.
export async function link(to, part) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    const { messages } = await (await fetch(`${gateway}/dev/mailbox`)).json()
    const links = messages.filter((message) => message.to === to).flatMap((message) => message.links)
    const found = links.find((address) => address.includes(part))
    if (found) return new URL(found)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`no mail to ${to} with ${part}`)
}
