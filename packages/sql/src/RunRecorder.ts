/**
 * Writes what runs whose own journal is elsewhere have done. Many runs are recorded at the same moments, so what comes
 * together for a tenant is written together, in one transaction of two statements.
 */
import { Unavailable } from "@tenon/core/Failure"
import type { Operation, RunJournal, RunKey, Standing } from "@tenon/core/RunJournal"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlFailure } from "./SqlFailure.ts"
import type { Statement, TenantSql } from "./TenantSql.ts"

/** What one `record` writes, and whoever waits for it. */
interface Recording {
  readonly run: RunKey
  readonly offset: number
  readonly operations: ReadonlyArray<Operation>
  readonly standing: Standing
  readonly done: Deferred.Deferred<void, Unavailable>
}

/** The most records in one transaction. */
const together = 100

/** Records runs. */
export const make = (sql: TenantSql["Service"]): RunJournal["Service"]["record"] => {
  const waiting = new Map<string, Array<Recording>>()

  const write = (tenantId: string, some: ReadonlyArray<Recording>) =>
    Effect.suspend(() => sql.batch({ tenantId }, statementsOf(tenantId, some)))

  /** Writes some records together; where the database refuses that, each alone, as one may spoil the others. */
  const writeSome = (tenantId: string, some: ReadonlyArray<Recording>): Effect.Effect<void> =>
    Effect.flatMap(Effect.exit(write(tenantId, some)), (exit) =>
      Exit.isSuccess(exit) || some.length === 1 || !isRefusal(exit)
        ? Effect.sync(() => {
            for (const { done } of some) Deferred.doneUnsafe(done, answerOf(exit))
          })
        : Effect.forEach(some, (each) => writeSome(tenantId, [each]), { discard: true })
    )

  const writeAll = (tenantId: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const some = taken(waiting.get(tenantId) ?? [])
      if (some.length > 0)
        return Effect.andThen(
          writeSome(tenantId, some),
          Effect.suspend(() => writeAll(tenantId))
        )
      waiting.delete(tenantId)
      return Effect.void
    })

  return (run, offset, operations, standing) =>
    Effect.contextWith((context: Context.Context<never>) => {
      const done = Deferred.makeUnsafe<void, Unavailable>()
      const recording = { run, offset, operations, standing, done }
      const queue = waiting.get(run.tenantId)
      if (queue === undefined) {
        waiting.set(run.tenantId, [recording])
        // What else comes in this moment is written with it, by a fiber that is nobody's.
        Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, writeAll(run.tenantId)))
      } else queue.push(recording)
      return Deferred.await(done)
    })
}

/** Takes what is to be written next: a statement may name a run once only. */
const taken = (queue: Array<Recording>): ReadonlyArray<Recording> => {
  const runs = new Set<string>()
  let count = 0
  for (const { run } of queue) {
    const name = JSON.stringify([run.workflow, run.key])
    if (count === together || runs.has(name)) break
    runs.add(name)
    count++
  }
  return queue.splice(0, count)
}

/** What befalls all alike; one alone would fare no better. */
const outages: ReadonlySet<string> = new Set(["Unavailable", "ConnectionLost", "StatementTimeout"])

/** Whether the database read what was sent, and refused it. */
const isRefusal = (exit: Exit.Failure<unknown, SqlFailure>): boolean => {
  const failure = Exit.findErrorOption(exit)
  return failure._tag === "None" || !outages.has(failure.value._tag)
}

const answerOf = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<void, Unavailable> =>
  Exit.isSuccess(exit) ? Exit.void : Exit.fail(new Unavailable({ what: "The database" }))

const upsert =
  "insert into tenon.runs as r (tenant_id, workflow, key, status, problem, mirrored, due_at) " +
  "select $1, j.workflow, j.key, j.status, j.problem, true, 'infinity' " +
  "from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as j (workflow, key, status, problem) " +
  "on conflict (tenant_id, workflow, key) do update set status = excluded.status, problem = excluded.problem " +
  // What is said late does not undo an end, nor a suspended attempt a pause.
  "where r.mirrored and (excluded.status not in ('waiting', 'running') or r.status in ('waiting', 'running') " +
  "or r.status = 'paused' and excluded.status = 'running')"

const columns = "workflow, key, seq, operation, kind, name, started_at, ended_at, outcome"

const insert =
  `insert into tenon.run_journal (tenant_id, ${columns}) select $1, j.* from unnest($2::text[], $3::text[], ` +
  "$4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::text[]) as j " +
  "on conflict do nothing"

const statementsOf = (tenantId: string, some: ReadonlyArray<Recording>): ReadonlyArray<Statement> => {
  const rows = some.flatMap(({ offset, operations, run }) =>
    operations.map((each, index) => ({ ...each, run, seq: offset + index }))
  )
  const runs: Statement = {
    sql: upsert,
    params: [
      tenantId,
      some.map(({ run }) => run.workflow),
      some.map(({ run }) => run.key),
      some.map(({ standing }) => standing.status),
      some.map(({ standing }) => standing.problem)
    ]
  }
  if (rows.length === 0) return [runs]
  const journal: Statement = {
    sql: insert,
    params: [
      tenantId,
      rows.map(({ run }) => run.workflow),
      rows.map(({ run }) => run.key),
      rows.map(({ seq }) => seq),
      rows.map(({ index }) => index),
      rows.map(({ kind }) => kind),
      rows.map(({ name }) => name),
      rows.map(({ startedAt }) => new Date(startedAt)),
      rows.map(({ endedAt }) => new Date(endedAt)),
      rows.map(({ outcome }) => JSON.stringify(outcome))
    ]
  }
  return [runs, journal]
}
