/**
 * What a span says of a flight or transaction, after OpenTelemetry's semantic conventions for databases: which
 * operations on which tables, and PostgreSQL's code where it refused. Never a value, and never PostgreSQL's sentence,
 * which may quote one.
 */
import * as Span from "@tenon/core/Span"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Statement, Transaction } from "./TenantSql.ts"

/** Where the database is. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly database: string
}

/** The attributes that every span of a database has. */
export const attributesOf = ({ database, host, port }: Place): { readonly [name: string]: unknown } => ({
  "db.system.name": "postgresql",
  "db.namespace": database,
  "server.address": host,
  "server.port": port
})

const summaries = new Map<string, string>()
const maxSummaries = 4_096

const name = String.raw`((?:"[^"]*"|\w+)(?:\.(?:"[^"]*"|\w+))?)`
// `for update` and `do update` change nothing by themselves.
const changes = new RegExp(
  String.raw`(?<!\bfor |\bkey |\bdo )\b(insert|update|delete)\b(?: into| from)?\s+${name}`,
  "gi"
)
const reads = new RegExp(String.raw`\bfrom\s+${name}`, "i")

const plain = (table: string) => table.replaceAll('"', "").replace(/^public\./, "")

/** `SELECT widgets`: the operations and their tables, known by the text alone, in which no value ever is. */
export const summaryOf = ({ sql }: Statement): string => {
  const found = summaries.get(sql)
  if (found !== undefined) return found
  const changed = Array.from(
    sql.matchAll(changes),
    ([, verb = "", table = ""]) => `${verb.toUpperCase()} ${plain(table)}`
  )
  const [, table = ""] = reads.exec(sql) ?? []
  const summary = changed.length > 0 ? [...new Set(changed)].join(" ") : `SELECT ${plain(table)}`.trim()
  if (summaries.size >= maxSummaries) summaries.clear()
  summaries.set(sql, summary)
  return summary
}

/** PostgreSQL's own failure, as such or inside of what a transaction's body made of it. */
const failureIn = (failure: unknown, depth = 0): { readonly _tag: string; readonly sqlState?: unknown } | undefined => {
  if (!Predicate.hasProperty(failure, "_tag") || depth > 1) return undefined
  return Predicate.hasProperty(failure, "retryable") && typeof failure._tag === "string"
    ? { ...failure, _tag: failure._tag }
    : failureIn(Predicate.hasProperty(failure, "failure") ? failure.failure : undefined, depth + 1)
}

const failed = (failure: unknown) => {
  const found = failureIn(failure)
  if (found === undefined) return {}
  return {
    "error.type": found._tag,
    ...(found.sqlState === undefined ? {} : { "db.response.status_code": found.sqlState })
  }
}

/** A body that refuses has asked for the rollback that it gets. */
const isAnswer = (failure: unknown) => failureIn(failure) === undefined

// The conventions would have a summary of at most 255 characters.
const listed = (statements: ReadonlyArray<Statement>) =>
  [...new Set(statements.map(summaryOf))].join("; ").slice(0, 255)

const batchAttributes = (statements: ReadonlyArray<Statement>) => ({
  "db.query.summary": listed(statements),
  ...(statements.length > 1 ? { "db.operation.batch.size": statements.length } : {})
})

/** Runs a flight in a span of its own. */
export const ofBatch = <A, E, R>(
  attributes: { readonly [name: string]: unknown },
  statements: ReadonlyArray<Statement>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Span.within(
    () => ({
      name: listed(statements) || "batch",
      kind: "client",
      attributes: { ...attributes, ...batchAttributes(statements) },
      failed
    }),
    effect
  )

/** Runs a transaction in a span, which sums up its statements when it ends. */
export const ofTransaction = <A, E, R>(
  attributes: { readonly [name: string]: unknown },
  run: (seen: (tx: Transaction) => Transaction) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Span.use(
    () => ({ name: "transaction", kind: "client", attributes, failed, isAnswer }),
    (span) => {
      if (span === undefined) return run((tx) => tx)
      const statements: Array<Statement> = []
      const note = (more: ReadonlyArray<Statement>) => {
        statements.push(...more)
        for (const [name, value] of Object.entries(batchAttributes(statements))) span.attribute(name, value)
      }
      return run((tx) => ({
        run: (more) => Effect.suspend(() => (note(more), tx.run(more))),
        commit: (more) => Effect.suspend(() => (note(more), tx.commit(more)))
      }))
    }
  )
