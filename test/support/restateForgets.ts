/** Makes Restate lose all that it knows, as the loss of its data would, or end a run that it goes on knowing. */
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import * as Effect from "effect/Effect"
import { eventually } from "./agentDomain.ts"

/** Kills and purges every invocation that Restate knows of; what is sent to it meanwhile is not looked at. */
export const forget = Effect.gen(function* () {
  const { adminUrl } = yield* TestingRestate.TestRestate
  const all = RestateAdmin.query(adminUrl, "select id, status, created_at from sys_invocation")
  // A run that is started again has the id that it had before.
  const nameOf = (row: { readonly [column: string]: unknown }) => `${String(row["id"])} ${String(row["created_at"])}`
  const names = new Set((yield* all).map(nameOf))
  const known = Effect.map(all, (rows) => rows.filter((row) => names.has(nameOf(row))))
  for (const { id, status } of yield* known)
    if (status !== "completed") yield* Effect.ignore(RestateAdmin.kill(adminUrl, String(id)))
  yield* eventually(known, (rows) => rows.every(({ status }) => status === "completed"))
  for (const { id } of yield* known) yield* Effect.ignore(RestateAdmin.purge(adminUrl, String(id)))
  yield* eventually(known, (rows) => rows.length === 0)
})

/** Kills the run of an agent, as an operator may. Restate keeps its key, and starts no other under it. */
export const killed = Effect.fnUntraced(function* (runId: string) {
  const { adminUrl } = yield* TestingRestate.TestRestate
  const where = `where target like 'RunAgent/%/${runId}/run' and status <> 'completed'`
  const goingOn = RestateAdmin.query(adminUrl, `select id from sys_invocation ${where}`)
  for (const { id } of yield* goingOn) yield* RestateAdmin.kill(adminUrl, String(id))
  yield* eventually(goingOn, (rows) => rows.length === 0)
})
