import * as ApiKeys from "@tenon/core/ApiKeys"
import { AuditLog } from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import { Unavailable } from "@tenon/core/Failure"
import * as Query from "@tenon/core/Query"
import type * as Resource from "@tenon/core/Resource"
import { RowStore } from "@tenon/core/RowStore"
import { Runtime } from "@tenon/core/Runtime"
import { Tenants } from "@tenon/core/Tenants"
import { Outbox, type Pending } from "@tenon/core/UnitOfWork"
import * as ApiKeysSql from "@tenon/sql/ApiKeysSql"
import * as AuditLogSql from "@tenon/sql/AuditLogSql"
import * as RowStoreSql from "@tenon/sql/RowStoreSql"
import { TenantSql } from "@tenon/sql/TenantSql"
import * as UnitOfWorkSql from "@tenon/sql/UnitOfWorkSql"
import { registry } from "@tenon/testing/RepositoryLaws"
import * as Domain from "@tenon/testing/RepositoryLawsDomain"
import { actor } from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as StoreDatabase from "../support/StoreDatabase.ts"

const services = Executor.layer(registry).pipe(Layer.provideMerge(StoreDatabase.layer))
const a = actor({ tenantId: "tenant-a" })
const b = actor({ tenantId: "tenant-b" })

const execute = (
  resource: Resource.Any,
  action: string,
  key: string,
  input: Schema.Json = {},
  options: { readonly by?: typeof a; readonly receipt?: string } = {}
) =>
  Effect.flatMap(Executor.Executor, (executor) =>
    executor.execute(
      { resource: resource.name, action, key, input, actor: options.by ?? a, origin: "door" },
      options.receipt
    )
  )

const together = <A, E, R>(times: number, each: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.all(
    Array.from({ length: times }, (_, index) => each(index)),
    { concurrency: "unbounded" }
  )

suite(services, { timeout: 60_000, excludeTestServices: true })("the store in PostgreSQL", (it) => {
  it.effect("makes as few round trips as the work allows", () =>
    Effect.gen(function* () {
      const sql = yield* TenantSql
      let flights = 0
      const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.suspend(() => {
          flights++
          return effect
        })
      const counting = Layer.succeed(
        TenantSql,
        TenantSql.of({
          ...sql,
          batch: (scope, statements) => counted(sql.batch(scope, statements)),
          transaction: (scope, body) =>
            sql.transaction(scope, (tx) =>
              body({
                run: (statements) => counted(tx.run(statements)),
                commit: (statements) => counted(tx.commit(statements))
              })
            )
        })
      )
      const stack = Executor.layer(registry).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            UnitOfWorkSql.layer(registry, (yield* StoreDatabase.StoreDatabase).names),
            RowStoreSql.layer(registry),
            AuditLogSql.layer
          )
        ),
        Layer.provide(counting)
      )
      const trips = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.andThen(
          Effect.sync(() => {
            flights = 0
          }),
          Effect.map(effect, () => flights)
        )
      yield* Effect.gen(function* () {
        const rows = yield* RowStore
        const measured = {
          create: yield* trips(execute(Domain.Topic, "create", "trips", { title: "t" })),
          "create, versioned": yield* trips(execute(Domain.Account, "create", "trips", { name: "trips" })),
          "create, with a receipt": yield* trips(
            execute(Domain.Topic, "create", "t2", { title: "t" }, { receipt: "trips" })
          ),
          "create again, with a receipt": yield* trips(
            execute(Domain.Topic, "create", "t2", { title: "t" }, { receipt: "trips" })
          ),
          "create, first stays": yield* trips(execute(Domain.Claim, "create", "trips", { thing: "trips", by: "me" })),
          update: yield* trips(execute(Domain.Account, "add", "trips", { amount: 1 }, { receipt: "trips-add" })),
          // And the end of its transaction.
          "update again, with its receipt": yield* trips(
            execute(Domain.Account, "add", "trips", { amount: 1 }, { receipt: "trips-add" })
          ),
          read: yield* trips(execute(Domain.Account, "get", "trips")),
          "load, number, send": yield* trips(execute(Domain.Topic, "post", "trips", { key: "k", text: "t" })),
          "no row yet": yield* trips(execute(Domain.Tally, "tick", "trips")),
          find: yield* trips(rows.find(a, Domain.Account, "trips")),
          list: yield* trips(rows.page(a, Domain.Account, yield* Effect.fromResult(Query.parse(Domain.Account, {})))),
          save: yield* trips(rows.save(a, Domain.Topic, { id: "trips", title: "saved" })),
          remove: yield* trips(execute(Domain.Account, "remove", "trips"))
        }
        yield* execute(Domain.Account, "create", "trips", { name: "trips" })
        yield* execute(Domain.Card, "create", "trips", { accountId: "trips", spare: null })
        const loading = yield* trips(execute(Domain.Card, "peers", "trips"))
        assert.deepStrictEqual(
          { ...measured, "read with loads": loading },
          {
            create: 1,
            "create, versioned": 1,
            "create, with a receipt": 1,
            "create again, with a receipt": 2,
            "create, first stays": 2,
            update: 2,
            "update again, with its receipt": 1,
            read: 1,
            "load, number, send": 4,
            "no row yet": 3,
            find: 1,
            list: 1,
            save: 1,
            remove: 2,
            "read with loads": 2
          }
        )
      }).pipe(Effect.provide(Layer.fresh(stack)))
    })
  )

  it.effect("an event is due with the commit, or as much later as its action says", () =>
    Effect.gen(function* () {
      yield* execute(Domain.Tally, "announce", "events", { millis: 60_000 })
      const rows = yield* StoreDatabase.admin(
        "select round(extract(epoch from due_at - created_at))::int as seconds from tenon.outbox " +
          "where kind = 'event' and object = 'LawTally/events' order by id"
      )
      assert.deepStrictEqual(
        rows.map(({ seconds }) => seconds),
        [60, 0]
      )
    })
  )

  it.effect("a lost counter starts from the rows there are", () =>
    Effect.gen(function* () {
      yield* execute(Domain.Topic, "create", "restored", { title: "t" })
      const post = (key: string) =>
        Effect.map(execute(Domain.Topic, "post", "restored", { key, text: "t" }), ({ result }) => result)
      yield* Effect.forEach(["1", "2", "3"], post)
      yield* StoreDatabase.admin("delete from tenon.positions where parent = 'restored'")
      const given = yield* together(10, (index) => post(`after-${index}`))
      assert.deepStrictEqual(
        given.map(Number).toSorted((x, y) => x - y),
        [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
      )
    })
  )

  it.effect("so does that of the rows without a parent", () =>
    Effect.gen(function* () {
      const add = (key: string) =>
        Effect.map(execute(Domain.Task, "create", key, { list: null }), ({ result }) => result)
      assert.deepInclude(yield* add("lost-1"), { number: 1 })
      yield* StoreDatabase.admin("delete from tenon.positions where resource like 'LawTask%'")
      assert.deepInclude(yield* add("lost-2"), { number: 2 })
    })
  )

  it.effect("pages over instants that are finer than milliseconds", () =>
    Effect.gen(function* () {
      const rows = yield* RowStore
      const by = actor({ tenantId: "fine" })
      yield* StoreDatabase.admin(
        "insert into law_samples (tenant_id, id, text, count, score, flag, at, level, body) " +
          "select 'fine', n::text, '', 0, 0, true, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 microsecond', 'low', '0' from generate_series(1, 9) n"
      )
      const seen: Array<unknown> = []
      let after: string | undefined
      do {
        const query = yield* Effect.fromResult(Query.parse(Domain.Sample, { sort: "at", limit: "2", after }))
        const page = yield* rows.page(by, Domain.Sample, query)
        seen.push(...page.items.map(({ id }) => id))
        after = page.next
      } while (after !== undefined && seen.length < 20)
      assert.deepStrictEqual(seen, ["1", "2", "3", "4", "5", "6", "7", "8", "9"])
    })
  )

  // On a slow machine a connection takes longer to open than the first cuts are apart, and must get its turn in the
  // end.
  const lessAndLess = Schedule.min([Schedule.exponential("20 millis", 1.1), Schedule.spaced("1 second")])

  it.effect("a connection that is cut leads to an answer or to Unavailable, and never to twice", () =>
    Effect.gen(function* () {
      const { name } = yield* StoreDatabase.StoreDatabase
      yield* execute(Domain.Account, "create", "cut", { name: "cut" })
      yield* execute(Domain.Account, "create", "plain", { name: "plain" })
      const cutting = yield* StoreDatabase.admin(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and application_name = 'tenon'`
      ).pipe(Effect.delay("20 millis"), Effect.repeat(lessAndLess), Effect.forkChild)
      const untilDone = (index: number): Effect.Effect<unknown, unknown, Executor.Executor> =>
        execute(Domain.Account, "add", "cut", { amount: 1 }, { receipt: `cut-${index}` }).pipe(
          Effect.catchTag("Unavailable", () =>
            Effect.delay(
              Effect.suspend(() => untilDone(index)),
              "5 millis"
            )
          )
        )
      yield* Effect.forEach(
        Array.from({ length: 150 }, (_, index) => index),
        untilDone,
        { concurrency: 8 }
      )
      const answers = yield* Effect.forEach(
        Array.from({ length: 150 }, (_, index) => index),
        () => Effect.exit(execute(Domain.Account, "add", "plain", { amount: 1 })),
        { concurrency: 8 }
      )
      yield* Fiber.interrupt(cutting)
      const balance = (key: string) =>
        Effect.map(Effect.retry(execute(Domain.Account, "get", key), { times: 20 }), ({ result }) => Number(result))
      assert.strictEqual(yield* balance("cut"), 150)
      const done = answers.filter(Exit.isSuccess).length
      for (const exit of answers) assert.isFalse(Exit.isFailure(exit) && Exit.hasDies(exit))
      const balanced = yield* balance("plain")
      assert.isTrue(balanced >= done && balanced <= 150, `${done} done, ${balanced} there`)
    })
  )

  it.effect("a receipt that was stored is returned with the row's lock held by a twin", () =>
    Effect.gen(function* () {
      yield* execute(Domain.Account, "create", "twins", { name: "twins" })
      yield* execute(Domain.Account, "add", "twins", { amount: 9 })
      const spent = yield* together(30, () => execute(Domain.Account, "spendAll", "twins", {}, { receipt: "twins" }))
      for (const each of spent) assert.deepStrictEqual(each, spent[0])
    })
  )

  it.effect("a delivery that fails holds up its own object only, and is not lost", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* StoreDatabase.admin("delete from tenon.outbox")
      for (const id of ["poison", "well"]) yield* execute(Domain.Topic, "create", id, { title: "t" })
      for (const key of ["1", "2"]) {
        yield* execute(Domain.Topic, "post", "poison", { key, text: "t" })
        yield* execute(Domain.Topic, "post", "well", { key, text: "t" })
      }
      let mended = false
      const seen: Array<string> = []
      const deliver = ({ delivery }: Pending): Effect.Effect<void, Unavailable> =>
        Effect.suspend(() => {
          if (delivery.key === "poison" && !mended) return Effect.die(new Error("poison"))
          seen.push(`${delivery.key}`)
          return Effect.void
        })
      assert.strictEqual(yield* outbox.drain(100, deliver), 2)
      assert.deepStrictEqual(seen, ["well", "well"])
      assert.strictEqual(yield* outbox.drain(100, deliver), 0)
      const [row] = yield* StoreDatabase.admin(
        "select attempts::int, last_failure from tenon.outbox where attempts > 0"
      )
      assert.deepStrictEqual(row, { attempts: 1, last_failure: "Unexpected: poison" })
      mended = true
      yield* StoreDatabase.admin("update tenon.outbox set due_at = now() where attempts > 0")
      assert.strictEqual(yield* outbox.drain(100, deliver), 2)
      assert.deepStrictEqual(seen, ["well", "well", "poison", "poison"])
      // One that fails for good is set aside, and the next goes on.
      mended = false
      for (const key of ["3", "4"]) yield* execute(Domain.Topic, "post", "poison", { key, text: "t" })
      yield* StoreDatabase.admin(
        "update tenon.outbox set attempts = 9 where id = (select min(id) from tenon.outbox where kind = 'delivery')"
      )
      yield* outbox.drain(100, deliver)
      mended = true
      assert.strictEqual(yield* outbox.drain(100, deliver), 1)
      const left = yield* StoreDatabase.admin(
        "delete from tenon.outbox where kind = 'delivery' returning due_at = 'infinity' as aside"
      )
      assert.deepStrictEqual(left, [{ aside: true }])
    })
  )

  it.effect("however much waits behind a delivery that fails, the others go out, of this tenant and of another", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* StoreDatabase.admin("delete from tenon.outbox")
      yield* execute(Domain.Topic, "create", "stuck", { title: "t" })
      yield* execute(Domain.Topic, "post", "stuck", { key: "1", text: "t" })
      assert.strictEqual(yield* outbox.drain(10, () => Effect.die(new Error("stuck"))), 0)
      yield* StoreDatabase.admin(
        "update tenon.outbox set due_at = now() + interval '1 hour'",
        "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at) " +
          "select tenant_id, kind, object, actor, body, now() - interval '1 minute' " +
          "from tenon.outbox, generate_series(1, 3000)",
        "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at) " +
          "select tenant_id, kind, 'later/' || n, actor, body, now() + interval '1 hour' " +
          "from (select * from tenon.outbox limit 1) as one, generate_series(1, 1000) as n"
      )
      for (const by of [a, b]) {
        yield* execute(Domain.Topic, "create", "free", { title: "t" }, { by })
        for (const key of ["1", "2", "3"]) yield* execute(Domain.Topic, "post", "free", { key, text: "t" }, { by })
      }
      const seen: Array<string> = []
      const ids: Array<number> = []
      const deliver = ({ actor, delivery, id }: Pending) =>
        Effect.sync(() => {
          seen.push(`${actor.tenantId} ${delivery.key}`)
          if (actor.tenantId === "tenant-b") ids.push(Number(id))
        })
      for (let drains = 0; seen.length < 6 && drains < 20; drains++) {
        yield* outbox.awaitWork
        yield* outbox.drain(10, deliver)
      }
      const three = ["a", "b"].flatMap((tenant) => Array.from({ length: 3 }, () => `tenant-${tenant} free`))
      assert.deepStrictEqual(seen.toSorted(), three)
      assert.deepStrictEqual(
        ids,
        ids.toSorted((x, y) => x - y)
      )
      yield* StoreDatabase.admin("delete from tenon.outbox")
    })
  )

  it.effect("a tenant does not wait until another's backlog is gone", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* StoreDatabase.admin("delete from tenon.outbox")
      for (const by of [a, b]) {
        yield* execute(Domain.Topic, "create", "fair", { title: "t" }, { by })
        yield* execute(Domain.Topic, "post", "fair", { key: "1", text: "t" }, { by })
      }
      yield* StoreDatabase.admin(
        "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at) " +
          "select tenant_id, kind, 'many/' || n, actor, body, now() - interval '1 minute' " +
          "from tenon.outbox, generate_series(1, 500) as n where tenant_id = 'tenant-a' and kind = 'delivery'"
      )
      const seen: Array<string> = []
      const deliver = ({ actor }: Pending) => Effect.sync(() => void seen.push(actor.tenantId))
      // A walk may stand anywhere, and begins anew where it finds no more.
      for (let drains = 0; drains < 5; drains++) assert.isAtMost(yield* outbox.drain(10, deliver), 10)
      assert.include(seen, "tenant-b")
      for (let drains = 0; seen.length < 502 && drains < 100; drains++) yield* outbox.drain(10, deliver)
      assert.lengthOf(seen, 502)
    })
  )

  it.effect("a delivery that takes long holds up its own object only", () =>
    Effect.gen(function* () {
      yield* StoreDatabase.admin("delete from tenon.outbox")
      const post = (topic: string, key: string, by = a) =>
        execute(Domain.Topic, "post", topic, { key, text: key }, { by })
      for (const topic of ["long", "quick"]) yield* execute(Domain.Topic, "create", topic, { title: "t" })
      yield* execute(Domain.Topic, "create", "quick", { title: "t" }, { by: b })
      const seen: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const runtime = Runtime.of({
        deliver: (actor, delivery) =>
          Effect.gen(function* () {
            seen.push(`${actor.tenantId} ${delivery.key}`)
            if (delivery.key === "long") yield* Deferred.await(gate)
          }),
        invoke: () => Effect.die("nothing is asked for"),
        forget: () => Effect.void,
        isAlive: () => Effect.succeed(false),
        cancel: () => Effect.void,
        resume: () => Effect.void
      })
      const arrives = (count: number) =>
        Effect.suspend(() => (seen.length < count ? Effect.fail("not yet") : Effect.void)).pipe(
          Effect.retry(Schedule.upTo(Schedule.spaced("20 millis"), { times: 150 })),
          Effect.catch(() => Effect.fail(`only ${seen.join()}`))
        )
      yield* Effect.gen(function* () {
        yield* post("long", "1")
        yield* post("quick", "1")
        yield* arrives(2)
        // One after the other: each is to the object of the last, which must have been removed meanwhile.
        for (const [index, by] of [b, a, b, a].entries()) {
          yield* post("quick", `after ${index}`, by)
          yield* arrives(3 + index)
        }
        yield* post("long", "2")
        yield* Effect.sleep("300 millis")
        assert.deepStrictEqual(seen.filter((each) => each.endsWith("long")).length, 1)
        yield* Deferred.succeed(gate, undefined)
        yield* arrives(7)
      }).pipe(Effect.provide(OutboxRelay.layer.pipe(Layer.provide(Layer.succeed(Runtime, runtime)))))
      yield* StoreDatabase.admin("delete from tenon.outbox")
    })
  )

  it.effect("what waits behind a delivery that fails does not wait for another that takes long", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* StoreDatabase.admin("delete from tenon.outbox")
      for (const [topic, by] of [
        ["lasting", a],
        ["failing", b]
      ] as const) {
        yield* execute(Domain.Topic, "create", topic, { title: "t" }, { by })
        const posts = topic === "lasting" ? ["1"] : ["1", "2", "3"]
        for (const key of posts) yield* execute(Domain.Topic, "post", topic, { key, text: key }, { by })
      }
      const gate = yield* Deferred.make<void>()
      let calls = 0
      const slow = yield* Effect.forkChild(
        outbox.drain(10, ({ delivery }) => {
          if (delivery.key === "lasting") return Deferred.await(gate)
          return ++calls === 1 ? Effect.fail(new Unavailable({ what: "x" })) : Effect.void
        })
      )
      const seen: Array<string> = []
      const others = outbox.drain(10, ({ delivery }) => Effect.sync(() => void seen.push(delivery.key)))
      yield* others.pipe(
        Effect.delay("50 millis"),
        Effect.repeat({ until: () => seen.length === 3, times: 100 }),
        Effect.ignore
      )
      assert.deepStrictEqual(seen, ["failing", "failing", "failing"])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(slow)
      yield* StoreDatabase.admin("delete from tenon.outbox")
    })
  )

  it.effect("many relays keep the order of each object and deliver each once", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* StoreDatabase.admin("delete from tenon.outbox")
      yield* Effect.forEach([a, b], (by) =>
        Effect.forEach(["r1", "r2", "r3"], (id) =>
          Effect.gen(function* () {
            yield* execute(Domain.Topic, "create", id, { title: "t" }, { by })
            for (let index = 0; index < 10; index++)
              yield* execute(Domain.Topic, "post", id, { key: String(index), text: "t" }, { by })
          })
        )
      )
      const seen: Array<Pending> = []
      const relay = outbox
        .drain(4, (pending) =>
          Effect.delay(
            Effect.sync(() => void seen.push(pending)),
            "1 millis"
          )
        )
        .pipe(Effect.repeat({ until: () => seen.length >= 60 }))
      yield* together(5, () => relay)
      assert.strictEqual(new Set(seen.map(({ id }) => id)).size, 60)
      assert.strictEqual(seen.length, 60)
      const objects = new Map<string, Array<number>>()
      for (const { actor, delivery, id } of seen) {
        const object = `${actor.tenantId}/${delivery.key}`
        objects.set(object, [...(objects.get(object) ?? []), Number(id)])
      }
      assert.strictEqual(objects.size, 6)
      for (const ids of objects.values())
        assert.deepStrictEqual(
          ids,
          ids.toSorted((x, y) => x - y)
        )
    })
  )

  it.effect("a relay that is stopped gives back what it has not delivered", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* execute(Domain.Topic, "create", "stopped", { title: "t" })
      for (const key of ["1", "2"]) yield* execute(Domain.Topic, "post", "stopped", { key, text: "t" })
      const first = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        outbox.drain(10, () => Effect.andThen(Deferred.succeed(first, undefined), Effect.never))
      )
      yield* Deferred.await(first)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* outbox.drain(10, () => Effect.void), 2)
    })
  )

  it.effect("a relay keeps what it has claimed for as long as it lives, and not much longer", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* StoreDatabase.admin("delete from tenon.outbox")
      yield* execute(Domain.Topic, "create", "slow", { title: "t" })
      yield* execute(Domain.Topic, "post", "slow", { key: "1", text: "t" })
      const first = yield* Deferred.make<void>()
      const slow = Effect.andThen(Deferred.succeed(first, undefined), Effect.never)
      const fiber = yield* Effect.forkChild(outbox.drain(10, () => slow))
      yield* Deferred.await(first)
      const leases = StoreDatabase.admin(
        "select extract(epoch from due_at - clock_timestamp())::float8 as seconds from tenon.outbox where kind = 'delivery'"
      ).pipe(Effect.map((rows) => rows.map(({ seconds }) => Number(seconds))))
      for (const seconds of yield* leases) assert.isAtMost(seconds, 10)
      yield* Effect.sleep("4 seconds")
      for (const seconds of yield* leases) assert.isAtLeast(seconds, 7)
      assert.strictEqual(yield* outbox.drain(10, () => Effect.void), 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* outbox.drain(10, () => Effect.void), 1)
    })
  )

  it.effect("a failing service fails the drain, so that the relay waits", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* execute(Domain.Topic, "create", "down", { title: "t" })
      yield* execute(Domain.Topic, "post", "down", { key: "1", text: "t" })
      const failure = yield* Effect.flip(outbox.drain(10, () => Effect.fail(new Unavailable({ what: "The runtime" }))))
      assert.instanceOf(failure, Unavailable)
      yield* StoreDatabase.admin("delete from tenon.outbox where kind = 'delivery'")
    })
  )

  it.effect("a denial is recorded for its tenant, and stands even where it cannot be", () =>
    Effect.gen(function* () {
      const audit = yield* AuditLog
      yield* audit.denied({ actor: a, action: "X.y", key: "k\u0000", reason: "because" })
      const entries = yield* StoreDatabase.admin("select tenant_id, action, key, reason from tenon.audit_log")
      assert.deepStrictEqual(entries, [{ tenant_id: "tenant-a", action: "X.y", key: "k\uFFFD", reason: "because" }])
      yield* StoreDatabase.admin("alter table tenon.audit_log rename to elsewhere")
      yield* audit.denied({ actor: a, action: "X.y", key: undefined, reason: "because" })
      yield* StoreDatabase.admin("alter table tenon.elsewhere rename to audit_log")
    })
  )

  it.effect("a database that cannot write now is unavailable, and no bug", () =>
    Effect.gen(function* () {
      const table = "public.law_claims"
      for (const state of ["25006", "53100", "58030"]) {
        yield* StoreDatabase.admin(
          `create or replace function public.refuse() returns trigger language plpgsql as
           $$ begin raise exception 'no' using errcode = '${state}'; end $$`,
          `create trigger refuse before insert on ${table} for each row execute function public.refuse()`
        )
        const failure = yield* Effect.flip(execute(Domain.Claim, "create", `full-${state}`, { thing: state, by: "me" }))
        assert.strictEqual(failure._tag, "Unavailable", state)
        yield* StoreDatabase.admin(`drop trigger refuse on ${table}`)
      }
      assert.isDefined(yield* execute(Domain.Claim, "create", "written", { thing: "again", by: "me" }))
    })
  )

  it.effect("an API key is found until it is revoked, and not while its tenant is suspended", () =>
    Effect.gen(function* () {
      const { names } = yield* StoreDatabase.StoreDatabase
      yield* Effect.gen(function* () {
        const keys = yield* ApiKeys.ApiKeys
        const { key, secret } = yield* ApiKeys.create({ tenantId: "keyed", name: "k", roles: ["admin"] })
        const find = Effect.flatMap(ApiKeys.hashOf(Redacted.value(secret)), keys.find)
        const tenants = yield* Tenants
        assert.isUndefined(yield* tenants.status("keyed"))
        assert.strictEqual((yield* find)?.id, key.id)
        yield* StoreDatabase.admin("insert into tenon.tenants (id, name) values ('keyed', 'Keyed')")
        assert.strictEqual((yield* find)?.id, key.id)
        yield* StoreDatabase.admin("update tenon.tenants set status = 'suspended' where id = 'keyed'")
        assert.isUndefined(yield* find)
        assert.strictEqual(yield* tenants.status("keyed"), "suspended")
        assert.isUndefined(yield* tenants.status("another"))
        yield* StoreDatabase.admin("update tenon.tenants set status = 'active' where id = 'keyed'")
        assert.isUndefined((yield* find)?.revokedAt)
        assert.isFalse(yield* keys.revoke("another", key.id, 1))
        assert.isTrue(yield* keys.revoke("keyed", key.id, 1))
        assert.strictEqual((yield* find)?.revokedAt, 1)
      }).pipe(Effect.provide(ApiKeysSql.layer(names)))
    })
  )

  it.effect("tenants that have work are found one after the other, whether they are entered or not", () =>
    Effect.gen(function* () {
      const tenants = yield* Tenants
      const owners = ["at-work-1", "at-work-2", "at-work-3"]
      for (const tenantId of owners)
        for (const topic of ["one", "two"])
          yield* execute(Domain.Topic, "create", topic, { title: "t" }, { by: actor({ tenantId }), receipt: topic })
      yield* StoreDatabase.admin(
        "insert into tenon.runs (tenant_id, workflow, key) values ('at-work-4', 'W', '1'), ('at-work-2', 'W', '1')"
      )
      assert.deepStrictEqual(yield* tenants.atWork("at-work", 3), owners)
      assert.deepStrictEqual(yield* tenants.atWork("at-work-1", 2), ["at-work-2", "at-work-3"])
      assert.strictEqual((yield* tenants.atWork("at-work-3", 1))[0], "at-work-4")
      assert.deepStrictEqual(yield* tenants.atWork("zzz", 10), [])
      const all = yield* tenants.atWork("", 1000)
      assert.deepStrictEqual(all, [...new Set(all)].toSorted())
    })
  )
})
