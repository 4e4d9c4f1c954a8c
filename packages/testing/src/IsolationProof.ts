/**
 * The proof that tenants are kept apart, derived from a registry: it draws two tenants' rows from the schemas and has
 * tenant A try everything that there is to try on tenant B's - every action at every door, keys, lists and cursors,
 * upserts, references, idempotency keys, positions, SQL without a tenant. Nothing of B's is shown, nothing of B's
 * changes, and A cannot tell a key of B's from one that nobody has.
 *
 * `isolationProof("mine", { registry, layer })` declares it as tests; `prove` gives the report as data.
 */
import { Executor } from "@tenon/core/Executor"
import { Interpreter } from "@tenon/core/Interpreter"
import type * as Registry from "@tenon/core/Registry"
import { Repository } from "@tenon/core/Repository"
import { RowStore } from "@tenon/core/RowStore"
import { Runtime } from "@tenon/core/Runtime"
import type * as Ddl from "@tenon/sql/Ddl"
import { TenantSql } from "@tenon/sql/TenantSql"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Data from "./IsolationData.ts"
import * as Doors from "./IsolationDoors.ts"
import * as IsolationHttp from "./IsolationHttp.ts"
import * as IsolationLedger from "./IsolationLedger.ts"
import * as IsolationSql from "./IsolationSql.ts"
import { actor } from "./TestingServices.ts"

/** What the proof needs of an application. Where there is a `TenantSql` too, it tries SQL. */
export type Services = Interpreter | Executor | Repository | RowStore | Runtime

/** How to prove. */
export interface Options {
  readonly registry: Registry.Registry
  /** Default `tenant-a` and `tenant-b`. */
  readonly tenants?: readonly [a: string, b: string]
  /** Rows of each resource and tenant. Default 3. */
  readonly rows?: number
  /** The same seed draws the same rows. Default 1. */
  readonly seed?: number
  /** Where the tables are, if not where `Ddl` puts them. */
  readonly tables?: Ddl.Options
  /** A server over the same store, with a token for each tenant. */
  readonly http?: IsolationHttp.Server
  /** Milliseconds to wait for what actions send. Default 500. */
  readonly settleMillis?: number
}

/** What came of it. */
export interface Report {
  /** How often each door was tried. */
  readonly attempts: { readonly [door in IsolationLedger.Door]: number }
  /** What must not have happened. Empty where the tenants are kept apart. */
  readonly breaches: ReadonlyArray<IsolationLedger.Breach>
  /** Every action of a resource with a tenant, and how often it was tried. */
  readonly actions: { readonly [action: string]: number }
  /** Resources without a tenant, which all tenants share. */
  readonly shared: ReadonlyArray<string>
}

/** Tries everything and reports. The rows stay; give it a store of its own. */
export const prove = Effect.fn("IsolationProof.prove")(function* (options: Options) {
  const { registry, seed = 1, tenants = ["tenant-a", "tenant-b"] } = options
  const source: Data.Source = { registry, seed, store: yield* RowStore }
  const data = Data.make(source)
  // Alike but for the tenant, so that nothing else keeps them apart.
  const a: Data.Party = { actor: actor({ tenantId: tenants[0] }), rows: new Map() }
  const b: Data.Party = { actor: actor({ tenantId: tenants[1] }), rows: new Map() }
  const resources = Doors.tenantScoped({ registry })
  const ledger = IsolationLedger.make(data, b, (name) => {
    const some = name === undefined ? resources : resources.filter((each) => each.name === name)
    return Effect.orDie(Data.snapshot(source.store, b.actor, some))
  })
  const world: Doors.World = {
    ...source,
    data,
    ledger,
    a,
    b,
    interpreter: yield* Interpreter,
    executor: yield* Executor,
    repository: yield* Repository,
    runtime: yield* Runtime
  }
  const settle = Effect.sleep(options.settleMillis ?? 500)
  const unchanged = (door: IsolationLedger.Door, what: string) => ledger.unchanged({ door, resource: "", what })

  const all = Effect.gen(function* () {
    yield* Data.populate(data, registry, [a, b], options.rows ?? 3)
    yield* ledger.settle
    for (const resource of resources) yield* Doors.reads(world, resource)
    for (const resource of resources) {
      yield* Doors.upserts(world, resource)
      yield* unchanged("store", `save and remove rows of ${resource.name}`)
    }
    for (const resource of resources) {
      for (const action of Object.values(resource.actions)) {
        yield* Doors.actions(world, resource, action)
        yield* unchanged("interpreter", `do ${resource.name}.${action.name}`)
      }
    }
    yield* settle
    yield* unchanged("runtime", "let everything arrive")

    const used = yield* Doors.useKeys(world)
    const usedOverHttp = options.http === undefined ? [] : yield* IsolationHttp.useKeys(world, options.http)
    // What B's own actions sent is no breach.
    yield* settle
    yield* ledger.settle
    yield* Doors.receipts(world, used)
    yield* unchanged("executor", "use B's idempotency keys and receipts")
    if (options.http !== undefined) yield* IsolationHttp.routes(world, options.http, usedOverHttp)
    yield* unchanged("http", "try every route")
    // These leave rows of A's under B's keys, so nothing that reads by key comes after.
    yield* Doors.deliveries(world)
    yield* settle
    yield* unchanged("runtime", "let everything arrive")
    const sql = yield* Effect.serviceOption(TenantSql)
    if (Option.isSome(sql)) yield* IsolationSql.tables(world, sql.value, options.tables)
    for (const resource of resources) yield* Doors.numbering(world, resource)
  })
  // Where B's rows have been damaged, what is built on them fails; what was found until then is the finding.
  yield* Effect.catch(all, (failure) =>
    Effect.sync(() => ledger.breach({ door: "store", resource: "", what: "go on to the end" }, failure.message))
  )
  return reportOf(registry, ledger)
})

const reportOf = (registry: Registry.Registry, ledger: IsolationLedger.Ledger): Report => {
  const attempts = ledger.attempts()
  const countOf = (tried: (attempt: IsolationLedger.Attempt) => boolean) => attempts.filter(tried).length
  return {
    attempts: Object.fromEntries(
      IsolationLedger.doors.map((door) => [door, countOf((each) => each.door === door)])
    ) as Report["attempts"],
    breaches: ledger.breaches(),
    actions: Object.fromEntries(
      Doors.tenantScoped({ registry }).flatMap(({ actions, name }) =>
        Object.keys(actions).map((action) => [
          `${name}.${action}`,
          countOf((each) => each.resource === name && each.what.startsWith(`${action} `))
        ])
      )
    ),
    shared: registry.notTenantScoped
  }
}

class Proof extends Context.Service<Proof, Report>()("@tenon/testing/IsolationProof") {}

/** How to prove it of a layer. */
export interface TestOptions<R, E> extends Omit<Options, "http"> {
  /** The application, with a store that is empty. */
  readonly layer: Layer.Layer<Services | R, E>
  readonly http?: Effect.Effect<IsolationHttp.Server, never, R>
  /** Milliseconds. Default two minutes. */
  readonly timeout?: number
}

/** Declares the proof as tests, one for each door. The report comes when they have run. */
export const isolationProof = <E, R = never>(name: string, options: TestOptions<R, E>): Promise<Report> => {
  const { http, layer, timeout = 120_000, ...given } = options
  const proved = Promise.withResolvers<Report>()
  const report = Layer.effect(
    Proof,
    Effect.gen(function* () {
      const server = http === undefined ? undefined : yield* http
      const found = yield* prove({ ...given, ...(server === undefined ? {} : { http: server }) })
      proved.resolve(found)
      return found
    })
  ).pipe(Layer.provide(layer))

  describe(`tenants are kept apart: ${name}`, () => {
    suite(report, { timeout, excludeTestServices: true })((it) => {
      for (const door of IsolationLedger.doors) {
        it.effect(`at the door ${door}`, () =>
          Effect.gen(function* () {
            const { breaches } = yield* Proof
            assert.deepStrictEqual(
              breaches.filter((each) => each.door === door),
              []
            )
          })
        )
      }
      it.effect("every action was tried", () =>
        Effect.gen(function* () {
          const { actions } = yield* Proof
          assert.deepStrictEqual(
            Object.keys(actions).filter((action) => (actions[action] ?? 0) === 0),
            []
          )
        })
      )
    })
  })
  return proved.promise
}
