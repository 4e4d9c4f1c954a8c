/** What the pool of sessions measures, in Effect's metric registry. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { PoolStats } from "./TenantSqlPool.ts"

/** Called by a pool as it goes. */
export interface PoolObserver {
  /** A session was lent after so many seconds, or none was found in that time. */
  readonly acquired: (seconds: number) => void
  /** How the pool stands, about once a second. */
  readonly stands: (stats: PoolStats) => void
}

const sessions = (state: "used" | "idle" | "opening") =>
  Metric.gauge("tenon_db_connections", {
    description: "Sessions with PostgreSQL, by what they are doing.",
    attributes: { state }
  })

const used = sessions("used")
const idle = sessions("idle")
const opening = sessions("opening")
const waiting = Metric.gauge("tenon_db_pending_requests", { description: "Transactions that wait for a session." })
const waits = Metric.histogram("tenon_db_connection_wait_seconds", {
  description: "Time until a transaction has a session.",
  boundaries: [0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
})

/** Measures a pool into the registry of a context. Several pools of one process overwrite each other's counts. */
export const make = (context: Context.Context<never>): PoolObserver => ({
  acquired: (seconds) => waits.updateUnsafe(seconds, context),
  stands: (stats) => {
    used.updateUnsafe(stats.open - stats.idle, context)
    idle.updateUnsafe(stats.idle, context)
    opening.updateUnsafe(stats.opening, context)
    waiting.updateUnsafe(stats.waiting, context)
  }
})
