// A product's page, on another origin than the gateway: React and the unmodified client's useSession.
import { createAuthClient } from "better-auth/react"
import { createRoot } from "react-dom/client"

const auth = createAuthClient({ baseURL: new URLSearchParams(location.search).get("gateway") })
window.auth = auth

function Page() {
  const { data, error, isPending, refetch } = auth.useSession()
  const person = { name: "Ann", email: location.hash.slice(1), password: "correct horse battery" }
  return (
    <main>
      <h1>Another origin</h1>
      <output>{isPending ? "asking" : error ? `error ${error.status}` : data ? `${data.user.name} is here` : "nobody"}</output>
      <p>
        <button onClick={() => auth.signUp.email(person)}>Sign up</button>{" "}
        <button onClick={() => auth.signIn.email(person)}>Sign in</button>{" "}
        <button onClick={() => auth.updateUser({ name: "Ann B" })}>Rename</button>{" "}
        <button onClick={() => auth.signOut()}>Sign out</button>{" "}
        <button onClick={() => refetch()}>Ask again</button>
      </p>
    </main>
  )
}

createRoot(document.getElementById("root")).render(<Page />)
