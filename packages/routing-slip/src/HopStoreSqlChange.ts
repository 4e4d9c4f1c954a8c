/** What is written for a step in one statement, and how such statements of one tenant go together in a round trip. */
import * as Together from "@tenon/core/Together"
import type { SqlFailed, Statement, Transactions } from "@tenon/messaging/Transactions"
import type { Joint, Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import { byKey, type Claimed, type Claiming } from "./HopStoreSqlClaim.ts"
import { purgedAmong } from "./HopStoreSqlPurge.ts"

/**
 * What a step or a slip becomes. Its statement answers a row where it has changed one, and keeps that in the setting;
 * then, where the queues are in the same database, the message that follows is published with it.
 */
export interface Changing {
  readonly tenantId: string
  /** Waits for whoever has locked what the statement is about, which looks only then at what there is. */
  readonly waiting?: Statement
  readonly statement: (setting: string | undefined) => Statement
  readonly message: Outgoing | undefined
  readonly joint: Joint | undefined
}

/** The statement of a change, and those that come after all of them and publish where it has changed its row. */
const changing = ({ joint, message, statement }: Changing, index: number) => {
  if (joint === undefined || message === undefined) return { statement: statement(undefined), publishing: [] }
  // A setting that ends with the transaction tells the later statements what came of this one.
  const setting = `tenon.change_${index}`
  return { statement: statement(setting), publishing: joint.publishing(message, setting) }
}

/**
 * Claims steps. Which of their slips were purged is looked for after that as well, since one may go in the meantime.
 */
const writeClaims = (
  sql: Transactions["Service"],
  claims: ReadonlyArray<Claiming>,
  tenantId: string
): Effect.Effect<ReadonlyArray<Claimed>, SqlFailed> => {
  const sorted = claims.toSorted(byKey)
  const slips = sorted.map(({ key }) => key.correlationId)
  // A claim that is lost with the database's last moments is written anew by its worker, who finds itself fenced off.
  const scope = { tenantId, asynchronousCommit: true }
  const statements = [...sorted.map(({ statement }) => statement), purgedAmong(tenantId, slips)]
  return Effect.map(sql.batch(scope, statements), (answers) => {
    const purged = new Set(answers[sorted.length]?.map((row) => row["correlation_id"]))
    const rows = new Map(sorted.map((claim, index) => [claim, answers[index]?.[0]]))
    return claims.map((claim) => ({ row: rows.get(claim), isPurged: purged.has(claim.key.correlationId) }))
  })
}

/** Changes steps and slips; whether each has changed its row. */
const writeChanges = (
  sql: Transactions["Service"],
  changes: ReadonlyArray<Changing>,
  tenantId: string
): Effect.Effect<ReadonlyArray<boolean>, SqlFailed> => {
  const waits = changes.flatMap(({ waiting }) => waiting ?? [])
  const made = changes.map(changing)
  const statements = [
    ...waits,
    ...made.map(({ statement }) => statement),
    ...made.flatMap(({ publishing }) => publishing)
  ]
  return Effect.map(sql.batch({ tenantId }, statements), (answers) =>
    changes.map((_, index) => answers[waits.length + index]?.length === 1)
  )
}

/** Writers of claims and of changes, which go apart: a claim does not wait for the disk. */
export const make = Effect.fnUntraced(function* (sql: Transactions["Service"]) {
  return {
    claim: yield* Together.make({
      groupOf: ({ key }: Claiming) => key.tenantId,
      write: (claims: ReadonlyArray<Claiming>, tenantId) => writeClaims(sql, claims, tenantId)
    }),
    change: yield* Together.make({
      groupOf: ({ tenantId }: Changing) => tenantId,
      write: (changes: ReadonlyArray<Changing>, tenantId) => writeChanges(sql, changes, tenantId)
    })
  }
})
