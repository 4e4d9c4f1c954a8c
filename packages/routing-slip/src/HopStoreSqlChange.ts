/** What is written for a step in one statement, and how such statements go together: those of one tenant in a round trip. */
import * as Together from "@tenon/core/Together"
import { lightly, type Row, type SqlFailed, type Statement, type Transactions } from "@tenon/messaging/Transactions"
import type { Joint, Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import type { HopKey } from "./HopStore.ts"
import { byKey } from "./HopStoreSqlClaim.ts"
import { purgedAmong } from "./HopStoreSqlPurge.ts"

/** A claim of a step that nobody has claimed yet. Its statement answers a row where it has claimed it. */
export interface Claiming {
  readonly _tag: "Claiming"
  readonly key: HopKey
  readonly statement: Statement
}

/**
 * What a step or a slip becomes. Its statement answers a row where it has changed one, and keeps that in the setting;
 * then, where the queues are in the same database, the message that follows is published with it.
 */
export interface Changing {
  readonly _tag: "Changing"
  readonly tenantId: string
  /** Waits for whoever has locked what the statement is about, which looks only then at what there is. */
  readonly waiting?: Statement
  readonly statement: (setting: string | undefined) => Statement
  readonly message: Outgoing | undefined
  readonly joint: Joint | undefined
}

export type Change = Claiming | Changing

/** What a statement answered; of a claim also whether its slip was purged. */
export interface Changed {
  readonly row: Row | undefined
  readonly isPurged: boolean
}

const isClaiming = (change: Change): change is Claiming => change._tag === "Claiming"
const isChanging = (change: Change): change is Changing => change._tag === "Changing"

/** The statement of a change, and those that come after all of them and publish where it has changed its row. */
const changing = ({ joint, message, statement }: Changing, index: number) => {
  if (joint === undefined || message === undefined) return { statement: statement(undefined), publishing: [] }
  // A setting that ends with the transaction tells the later statements what came of this one.
  const setting = `tenon.change_${index}`
  return { statement: statement(setting), publishing: joint.publishing(message, setting) }
}

/**
 * Writes changes of one tenant. Claims come first, as they may have to wait for a row. Which of their slips were purged
 * is looked for after them as well, since one may go in the meantime.
 */
const write = (
  sql: Transactions["Service"],
  changes: ReadonlyArray<Change>,
  tenantId: string
): Effect.Effect<ReadonlyArray<Changed>, SqlFailed> => {
  const claims = changes.filter(isClaiming).toSorted(byKey)
  const others = changes.filter(isChanging)
  const made = others.map(changing)
  const slips = claims.map(({ key }) => key.correlationId)
  const waits = others.flatMap(({ waiting }) => waiting ?? [])
  const inOrder = [
    ...waits,
    ...claims.map(({ statement }) => statement),
    ...made.map(({ statement }) => statement),
    ...(claims.length === 0 ? [] : [purgedAmong(tenantId, slips)]),
    ...made.flatMap(({ publishing }) => publishing)
  ]
  // A claim that is lost with the database's last moments is one whose worker finds itself fenced off.
  const isLight = others.length === 0
  return Effect.map(sql.batch({ tenantId }, isLight ? [lightly, ...inOrder] : inOrder), (rows) => {
    const answers = rows.slice(isLight ? 1 : waits.length)
    const purged = new Set(claims.length === 0 ? [] : answers[changes.length]?.map((row) => row["correlation_id"]))
    const answered = new Map([...claims, ...others].map((change, index) => [change, answers[index]?.[0]]))
    return changes.map((change) => ({
      row: answered.get(change),
      isPurged: isClaiming(change) && purged.has(change.key.correlationId)
    }))
  })
}

/** A writer of changes, each of which goes with those of its tenant that come at the same time. */
export const make = (
  sql: Transactions["Service"]
): Effect.Effect<(change: Change) => Effect.Effect<Changed, SqlFailed>> =>
  Together.make({
    groupOf: (change: Change) => (isClaiming(change) ? change.key.tenantId : change.tenantId),
    write: (changes, tenantId) => write(sql, changes, tenantId)
  })
