/** Makes Restate lose all that it knows, as the loss of its data would. */
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import * as Effect from "effect/Effect"
import { eventually } from "./agentDomain.ts"

/** Kills and purges every invocation that Restate knows of. */
export const forget = Effect.gen(function* () {
  const { adminUrl } = yield* TestingRestate.TestRestate
  const known = RestateAdmin.query(adminUrl, "select id, status from sys_invocation")
  for (const { id, status } of yield* known)
    if (status !== "completed") yield* Effect.ignore(RestateAdmin.kill(adminUrl, String(id)))
  yield* eventually(known, (rows) => rows.every(({ status }) => status === "completed"))
  for (const { id } of yield* known) yield* Effect.ignore(RestateAdmin.purge(adminUrl, String(id)))
  yield* eventually(known, (rows) => rows.length === 0)
})
