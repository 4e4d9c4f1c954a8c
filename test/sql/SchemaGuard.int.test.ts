import * as Field from "@tenon/core/Field"
import { SchemaMismatch, Unavailable } from "@tenon/core/Failure"
import * as Executor from "@tenon/core/Executor"
import * as Interpreter from "@tenon/core/Interpreter"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { CurrentActor } from "@tenon/core/Actor"
import { IsolationBroken } from "@tenon/sql/IsolationCheck"
import * as Migrations from "@tenon/sql/Migrations"
import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as CutProxy from "../support/CutProxy.ts"
import * as Scratch from "../support/ScratchDatabase.ts"

const Note = Resource.make("Note", {
  fields: { id: Field.Id, text: Schema.String },
  actions: (on) => ({ create: on.create({ input: { text: Schema.String } }) })
})

const Board = Resource.make("Board", {
  fields: { id: Field.Id, name: Schema.String },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.String } }),
    rename: on.update({ input: { name: Schema.String } }, ({ input, self }) => ({ ...self, ...input })),
    pin: on.action({ input: { text: Schema.String }, output: Note.schema, touches: [Note] }, ({ input }) =>
      Outcome.save(Note, input)
    ),
    count: on.read({ load: () => ({ notes: Load.count(Note, {}) }), output: Schema.Int }, ({ loaded }) => loaded.notes)
  })
})

const registry = Registry.make({ resources: [Board, Note] })

/** A database at the registry's schema. */
const database = Effect.gen(function* () {
  const scratch = yield* Scratch.scratch()
  yield* Migrations.ensure({ registry, ...scratch.names }).pipe(Scratch.on(scratch))
  return scratch
})

/** The domain over a database, as a process that starts now. */
const processOn = ({ names }: Scratch.Scratch, url: string) =>
  Interpreter.layer.pipe(
    Layer.provideMerge(RuntimeSql.layer()),
    Layer.provideMerge(Layer.mergeAll(Executor.layer(registry), Repository.layer, noWorkflows)),
    Layer.provideMerge(StoreSql.layer(registry, names)),
    Layer.provideMerge(TenantSql.layer({ url: Redacted.make(url), role: names.appRole, connectTimeout: "1 second" })),
    Layer.provideMerge(ReadinessChecks.layer),
    Layer.provideMerge(Layer.succeed(CurrentActor, Testing.actor()))
  )
const noWorkflows = Layer.succeed(Workflow.Workflows, new Map())

const on = (scratch: Scratch.Scratch, ...statements: ReadonlyArray<string>) =>
  Scratch.run(...statements).pipe(Scratch.on(scratch))

const versionOf = (resource: string, version: number) =>
  `update tenon._schema_versions set version = ${version} where resource = '${resource}'`

describe.concurrent("a process that starts", () => {
  it.live("refuses a database that lost a policy or a FORCE, and says what to do", () =>
    Effect.gen(function* () {
      const scratch = yield* database
      const start = Layer.build(processOn(scratch, Scratch.urlOf(scratch.name))).pipe(Effect.scoped)
      yield* start
      yield* on(scratch, "drop policy tenant_isolation on boards", "alter table notes no force row level security")
      const refusal = yield* Effect.flip(start)
      assert.instanceOf(refusal, IsolationBroken)
      assert.deepStrictEqual(
        refusal.findings.map(({ place }) => place),
        ["public.boards", "public.notes"]
      )
      assert.match(refusal.message, /boards: the policy tenant_isolation is missing\. create policy/)
      assert.match(refusal.message, /notes: row security is not forced.*alter table "public"\."notes" force row level/)
      // What it says to do does mend it.
      yield* on(scratch, ...refusal.findings.map(({ mend }) => mend))
      yield* start
    }).pipe(Effect.scoped)
  )

  it.live("refuses to work under a role that row security does not bind", () =>
    Effect.gen(function* () {
      const scratch = yield* database
      yield* on(scratch, `alter role ${scratch.names.appRole} bypassrls`)
      const refusal = yield* Effect.flip(
        Layer.build(processOn(scratch, Scratch.urlOf(scratch.name))).pipe(Effect.scoped)
      )
      assert.match(refusal.message, /bypasses row security/)
    }).pipe(Effect.scoped)
  )

  it.live("serves nothing until it has seen the database, looks again, and says so", () =>
    Effect.gen(function* () {
      const scratch = yield* database
      const proxy = yield* CutProxy.make(Scratch.urlOf(scratch.name))
      proxy.admit(false)
      yield* Effect.gen(function* () {
        const checks = yield* ReadinessChecks.ReadinessChecks
        const create = Tenon.invoke(Board.actions.create, { name: "a" })
        assert.instanceOf(yield* Effect.flip(create), Unavailable)
        assert.isFalse((yield* checks.run).some(({ ready }) => ready))
        proxy.admit(true)
        // The database answers before the process has looked at it: that is not enough.
        yield* Testing.eventually(Effect.result(create), ({ _tag }) => _tag === "Success")
        yield* Testing.eventually(checks.run, (all) => all.every(({ ready }) => ready))
      }).pipe(Effect.provide(processOn(scratch, proxy.url)))
    }).pipe(Effect.scoped)
  )
})

describe.concurrent("a resource of another version", () => {
  it.live("is neither written nor read, by its own actions or by others', and is served again once it fits", () =>
    Effect.gen(function* () {
      const scratch = yield* database
      yield* on(scratch, versionOf("Note", 7))
      yield* Effect.gen(function* () {
        const checks = yield* ReadinessChecks.ReadinessChecks
        const isReady = Effect.map(checks.run, (all) => all.every(({ ready }) => ready))
        const board = yield* Tenon.invoke(Board.actions.create, { name: "a" })
        yield* Tenon.invoke(Board.actions.rename, board.id, { name: "b" })
        const pin = Tenon.invoke(Board.actions.pin, board.id, { text: "x" })
        const failures = yield* Effect.all([
          Effect.flip(Tenon.invoke(Note.actions.create, { text: "x" })),
          Effect.flip(pin),
          Effect.flip(Tenon.invoke(Board.actions.count, board.id)),
          Effect.flip(Repository.Repository.use((repository) => repository.list(Note)))
        ])
        for (const failure of failures) {
          assert.instanceOf(failure, SchemaMismatch)
          assert.deepInclude(failure, { resource: "Note", expected: 1, actual: 7 })
          // Nothing is left to migrate: it is this process that is behind.
          assert.include(failure.message, "newer release")
          assert.notInclude(failure.message, "migrate up")
        }
        // It serves what has not changed until the newer release is there.
        assert.isTrue(yield* isReady)
        assert.deepStrictEqual(yield* on(scratch, "select * from notes"), [])
        yield* on(scratch, versionOf("Note", 1))
        yield* Testing.eventually(Effect.result(pin), ({ _tag }) => _tag === "Success")
        // And the other way round: another process migrates while this one serves.
        yield* on(scratch, versionOf("Board", 2))
        const rename = Tenon.invoke(Board.actions.rename, board.id, { name: "c" })
        yield* Testing.eventually(Effect.result(rename), ({ _tag }) => _tag === "Failure")
        assert.instanceOf(yield* Effect.flip(rename), SchemaMismatch)
        assert.isTrue(yield* isReady)
      }).pipe(Effect.provide(processOn(scratch, Scratch.urlOf(scratch.name))))
    }).pipe(Effect.scoped)
  )

  it.live("is each one where the database was never migrated", () =>
    Effect.gen(function* () {
      const scratch = yield* database
      yield* on(scratch, "drop table tenon._schema_versions")
      yield* Effect.gen(function* () {
        const checks = yield* ReadinessChecks.ReadinessChecks
        assert.isFalse((yield* checks.run).every(({ ready }) => ready))
        const failure = yield* Effect.flip(Tenon.invoke(Board.actions.create, { name: "a" }))
        assert.deepInclude(failure, { _tag: "SchemaMismatch", actual: 0 })
        assert.include(failure.message, "tenon migrate up")
      }).pipe(Effect.provide(processOn(scratch, Scratch.urlOf(scratch.name))))
    }).pipe(Effect.scoped)
  )
})
