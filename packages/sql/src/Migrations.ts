/**
 * Migrations: generated from the declarations against a committed snapshot, applied from readable SQL files, and
 * checked against the live catalogue (E1, E2, E4, T2). Everything here works over the owner's `SqlClient` and answers
 * with data; nothing asks back.
 */
import type { SchemaMismatch } from "@tenon/core/Failure"
import type { Registry } from "@tenon/core/Registry"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Catalogue from "./Catalogue.ts"
import * as CatalogueForms from "./CatalogueForms.ts"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as Ddl from "./Ddl.ts"
import * as DdlRender from "./DdlRender.ts"
import * as Drift from "./Drift.ts"
import { DatabaseDiffers, MigrationRefused } from "./MigrationFailure.ts"
import * as MigrationFiles from "./MigrationFiles.ts"
import * as MigrationPlan from "./MigrationPlan.ts"
import * as MigrationRun from "./MigrationRun.ts"
import * as MigrationSnapshot from "./MigrationSnapshot.ts"
import * as ModelDiff from "./ModelDiff.ts"
import * as RecordedVersions from "./RecordedVersions.ts"
import * as SqlName from "./SqlName.ts"

/** Which database is wanted. */
export interface Wanted extends Ddl.Options {
  readonly registry: Registry
}

/** How a migration is generated. */
export interface GenerateOptions extends Wanted {
  readonly directory: string
  /** What the migration does, for the file's name. Default: worked out from the changes. */
  readonly name?: string
  /** Names of hazards to go through with, as `MigrationRefused` gives them. */
  readonly approve?: ReadonlyArray<string>
  /** Writes nothing. */
  readonly dryRun?: boolean
}

/** What was generated; no files where there is nothing to do. */
export interface Generated {
  readonly files: ReadonlyArray<{ readonly name: string; readonly sql: string }>
  readonly warnings: ReadonlyArray<string>
  readonly written: boolean
}

/** Writes the migration from the snapshot to the declarations. Needs no database. */
export const generate = Effect.fn("Migrations.generate")(function* (options: GenerateOptions) {
  const { files, model: before, snapshot } = yield* read(options.directory)
  const { plan, next } = ModelDiff.diff(before, Ddl.fromRegistry(options.registry, options), options.approve)
  if (plan.hazards.length > 0) return yield* new MigrationRefused({ hazards: plan.hazards })
  const first = Math.max(0, ...files.map(({ number }) => number)) + 1
  const generated = filesOf(
    plan,
    first,
    slug(options.name ?? (before === undefined ? "init" : titleOf(plan))),
    before !== undefined
  )
  const changed = generated.length > 0 || before === undefined
  if (options.dryRun !== true && changed) {
    yield* MigrationFiles.write(options.directory, generated)
    const names = generated.map(({ name }) => name)
    yield* MigrationSnapshot.write(options.directory, MigrationSnapshot.next(snapshot, next, names))
  }
  const result: Generated = { files: generated, warnings: plan.warnings, written: options.dryRun !== true && changed }
  return result
})

/** The files, of which none may be missing, and what was generated. */
const read = Effect.fnUntraced(function* (directory: string) {
  const snapshot = yield* MigrationSnapshot.read(directory)
  const generated = snapshot?.history.flatMap((each) => each.files)
  return { files: yield* MigrationFiles.read(directory, generated), snapshot, model: snapshot?.model }
})

const filesOf = (plan: MigrationPlan.Plan, first: number, name: string, later: boolean) => {
  const parts = [
    { suffix: "", steps: plan.change, title: ["Applied in one transaction."] },
    {
      suffix: "_validate",
      steps: plan.validate,
      title: ["Reads the tables while others go on; applied in one transaction."]
    },
    {
      suffix: "_indexes",
      steps: plan.concurrent,
      title: [
        MigrationFiles.noTransaction.slice(3),
        "Builds indexes while others go on. Each statement stands alone; the file can be run again if it is cut short."
      ]
    }
  ].filter(({ steps }) => steps.length > 0)
  return parts.map(({ suffix, steps, title }, index) => ({
    name: `${MigrationFiles.padded(first + index)}_${name}${suffix}.sql`,
    sql: MigrationPlan.render(
      [
        ...title.slice(0, suffix === "_indexes" ? 1 : 0),
        "Generated from the declared resources. Read it, commit it with snapshot.json, and never edit it once it is applied.",
        ...title.slice(suffix === "_indexes" ? 1 : 0),
        ...(later ? plan.warnings.map((each) => `Warning: ${each}.`) : [])
      ],
      steps
    )
  }))
}

const titleOf = (plan: MigrationPlan.Plan): string =>
  [...plan.change, ...plan.validate, ...plan.concurrent][0]?.about.split(/[:;,]/)[0] ?? "change"

const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .slice(0, 48)
    .replace(/_+$/, "") || "change"

/** Where the files are, and how patient to be. */
export interface UpOptions extends MigrationRun.Patience {
  readonly directory: string
}

/** Applies the pending files in order, one process at a time. Returns the names of those it applied. */
export const up = (options: UpOptions) =>
  Effect.flatMap(read(options.directory), ({ files }) => MigrationRun.up(files, options))

/**
 * Records the first migration of a database that `ensure` has set up as applied, without running it; returns the names
 * that it recorded, none where there is nothing to adopt. Only a migration that stands as it was generated is adopted,
 * and only where `ensure` worked from the same, or the live catalogue is what the files lead to; where it is something
 * else, `DatabaseDiffers`.
 */
export const adopt = Effect.fn("Migrations.adopt")(function* (options: UpOptions) {
  const { files, model: snapshot } = yield* read(options.directory)
  return yield* MigrationRun.record(
    files,
    Effect.fnUntraced(function* (ensuredFrom) {
      const [first] = files
      const ensured = first !== undefined && first.checksum === ensuredFrom
      // With more files than the first there is no telling what the catalogue should be between them.
      if (snapshot === undefined || !isFirstOf(files, snapshot)) return ensured ? [first] : []
      if (!(yield* holdsAnyOf(snapshot))) return []
      const findings = yield* drift(snapshot)
      return findings.length === 0 ? files : yield* new DatabaseDiffers({ findings })
    }),
    options
  )
})

/** The files that a first generation writes. */
const firstOf = (model: DatabaseModel.Model) => filesOf(ModelDiff.diff(undefined, model).plan, 1, "init", false)

/** Whether files are the whole way from nothing to a model, as it would be generated today. */
const isFirstOf = (files: ReadonlyArray<MigrationFiles.MigrationFile>, model: DatabaseModel.Model): boolean => {
  const generated = firstOf(model)
  return generated.length === files.length && generated.every(({ sql }, index) => files[index]?.sql === sql)
}

/** Whether a database has a table of a model, other than the one that migrations keep for themselves. */
const holdsAnyOf = Effect.fnUntraced(function* (model: DatabaseModel.Model) {
  const sql = yield* SqlClient.SqlClient
  const [there] = yield* sql.unsafe<{ found: boolean }>(
    `select coalesce(bool_or(to_regclass(name) is not null), false) as found from jsonb_array_elements_text($1::jsonb) as t(name)`,
    [JSON.stringify(model.tables.filter((table) => !DdlRender.isBootstrap(table)).map(SqlName.qualified))]
  )
  return there?.found === true
})

/** Each file, and whether it is applied, pending, changed since, or missing. */
export const status = (options: { readonly directory: string }) =>
  Effect.flatMap(read(options.directory), ({ files }) => MigrationRun.status(files))

/** Everything that is wrong between declarations, snapshot, files and database; empty where all agree. For CI. */
export const check = Effect.fn("Migrations.check")(function* (options: Wanted & { readonly directory: string }) {
  const { files, model: snapshot } = yield* read(options.directory)
  const { plan } = ModelDiff.diff(snapshot, Ddl.fromRegistry(options.registry, options))
  const stale = ModelDiff.isEmpty(plan)
    ? []
    : [...plan.change, ...plan.validate, ...plan.concurrent]
        .map(({ about }) => about)
        .concat(plan.hazards.map(({ problem }) => problem))
  const states = yield* MigrationRun.status(files)
  const settled = stale.length === 0 && states.every(({ state }) => state === "applied")
  const findings: ReadonlyArray<Drift.Finding> = [
    ...(snapshot === undefined
      ? [
          {
            place: "snapshot.json",
            problem: "no migration was generated yet",
            mend: "Run `tenon migrate generate`, and commit what it writes"
          }
        ]
      : stale.map((about) => ({
          place: "snapshot.json",
          problem: `the declarations are ahead of the migrations: ${about}`,
          mend: "Run `tenon migrate generate`, and commit what it writes"
        }))),
    ...states
      .filter(({ state }) => state !== "applied")
      .map(({ name, state }) => ({
        place: name,
        problem: {
          pending: "it is not applied",
          changed: "it was changed after it had been applied",
          missing: "it was applied and is not among the files",
          applied: ""
        }[state],
        mend: state === "pending" ? "Run `tenon migrate up`" : "Restore it from version control"
      })),
    // Before that they differ for what was found already.
    ...(settled ? (yield* RecordedVersions.mismatches(options.registry)).map(unrecorded) : []),
    ...(snapshot === undefined ? [] : yield* drift(snapshot))
  ]
  return findings
})

const unrecorded = ({ actual, expected, resource }: SchemaMismatch): Drift.Finding => ({
  place: resource,
  problem: `it is at version ${actual} in the database and ${expected} here, though all migrations are applied`,
  mend:
    actual > expected
      ? "Use the release that the database was migrated for"
      : "A migration that raised it was lost: restore it from version control"
})

/**
 * The differences between the declarations and the live catalogue, without files: for tests, and after `ensure`. What a
 * server looks at before it serves is the part of it that `IsolationCheck` finds.
 */
export const audit = (options: Wanted) => drift(Ddl.fromRegistry(options.registry, options))

const drift = Effect.fnUntraced(function* (model: DatabaseModel.Model) {
  const live = yield* Catalogue.read(...Catalogue.placesOf(model))
  return Drift.compare(model, live, yield* CatalogueForms.of(model))
})

/**
 * Sets up an empty database without files, for development and tests. Where the tables are there already, it only
 * checks them. Returns the statements that it ran.
 */
export const ensure = Effect.fn("Migrations.ensure")(function* (options: Wanted) {
  const sql = yield* SqlClient.SqlClient
  const model = Ddl.fromRegistry(options.registry, options)
  const statements = ModelDiff.everything(model)
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql.unsafe(`select pg_advisory_xact_lock(${MigrationRun.lockKey})`)
      if (yield* holdsAnyOf(model)) {
        const findings = yield* drift(model)
        return findings.length === 0 ? [] : yield* new DatabaseDiffers({ findings })
      }
      yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
      const [first, ...more] = firstOf(model)
      if (first !== undefined && more.length === 0)
        yield* MigrationRun.noteEnsured(MigrationFiles.checksumOf(first.sql))
      return statements
    })
  )
})
