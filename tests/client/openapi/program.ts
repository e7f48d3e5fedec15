// A client made of the API description alone, without a cast: signs up, reads, changes, fails in typed ways, and signs out.

import createClient from "openapi-fetch";
import type { components, paths } from "./generated/api.d.ts";

type Reason = components["schemas"]["GetNotificationReason"];

declare const process: { argv: string[] };

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`expected ${what}`);
}

/** Why a notification cannot be read, in a sentence for people. Every reason is one that the description names. */
function explained(reason: Reason): string {
  switch (reason) {
    case "NOTIFICATION_NOT_FOUND":
      return "it was deleted";
    case "NOT_SIGNED_IN":
      return "sign in first";
    default:
      return "try again later";
  }
}

const [, , baseUrl = "http://localhost:8000", email = "ann@example.com"] = process.argv;
// Node's fetch sends fetch metadata as a browser does, so an origin is wanted with a first sign-in.
const strangers = createClient<paths>({ baseUrl, headers: { origin: baseUrl } });

const signedUp = await strangers.POST("/api/auth/sign-up/email", {
  body: { name: "Ann", email, password: "correct horse battery" },
});
expect(signedUp.data !== undefined, `a new user and no ${signedUp.error?.code}`);
const user: components["schemas"]["AuthUser"] = signedUp.data.user;
expect(user.email === email && user.image === null, "the user who signed up");

const again = await strangers.POST("/api/auth/sign-in/email", { body: { email, password: "a wrong password" } });
expect(again.error?.code === "INVALID_EMAIL_OR_PASSWORD", "a typed code");

const signedIn = await strangers.POST("/api/auth/sign-in/email", { body: { email, password: "correct horse battery" } });
const bearer = signedIn.response.headers.get("set-auth-token");
expect(signedIn.data?.redirect === false && bearer !== null, "a session and its bearer token");

const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${bearer}` } });

const me = await client.GET("/v1/me");
expect(me.data?.user?.role === "ROLE_USER" && me.data.unreadCount === 0, "one's own user without notifications");

const changed = await client.PATCH("/v1/users/{userId}", {
  params: { path: { userId: "me" }, query: { updateMask: "name" } },
  body: { name: "Ann Lee" },
});
expect(changed.data?.name === "Ann Lee", "the new name");

const sessions = await client.GET("/v1/sessions", { params: { query: { pageSize: 10 } } });
expect(sessions.data?.sessions.every((each) => each.userId === user.id) === true, "sessions of one's own");

const preference = await client.PUT("/v1/preferences/{topic}", {
  params: { path: { topic: "reports" } },
  body: { type: "NOTIFICATION_TYPE_EMAIL", enabled: true },
});
expect(preference.data?.type === "NOTIFICATION_TYPE_EMAIL", "the preference as it was set");

const missing = await client.GET("/v1/notifications/{notificationId}", {
  params: { path: { notificationId: "wd5PFv3bLFxHe5DDv9S154UfFAdP7wwe" } },
});
expect(missing.error !== undefined, "a failure");
const sentences = missing.error.error.details.flatMap((detail) =>
  detail["@type"] === "type.googleapis.com/google.rpc.ErrorInfo" ? [explained(detail.reason)] : [],
);
expect(sentences[0] === "it was deleted", "a typed reason");

const refused = await client.GET("/v1/users", { params: { query: { pageSize: 5 } } });
expect(refused.error?.error.status === "PERMISSION_DENIED", "that people cannot list users");

const signedOut = await client.POST("/api/auth/sign-out");
expect(signedOut.data?.success === true, "the end of the session");
const gone = await client.GET("/api/auth/get-session");
expect(gone.data === null, "no session");

console.log("all as described");
