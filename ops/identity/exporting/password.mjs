// Checks the passwords of people who come back from Trivet, whatever they are hashed with, and hashes new ones alike.
//
//   npm install @node-rs/argon2
//
//   import { password } from "./password.mjs";
//   betterAuth({ emailAndPassword: { enabled: true, password }, ... });
import { hash, verify } from "@node-rs/argon2";
import { verifyPassword } from "better-auth/crypto";

// One spelling of each character, as Trivet compares passwords too.
const normal = (text) => text.normalize("NFKC");

export const password = {
  // Argon2id is the package's default; memory in KiB.
  hash: (text) => hash(normal(text), { memoryCost: 19456, timeCost: 2, parallelism: 1 }),
  verify: ({ hash: stored, password: text }) =>
    stored.startsWith("$argon2") ? verify(stored, normal(text)) : verifyPassword({ hash: stored, password: text }),
};
