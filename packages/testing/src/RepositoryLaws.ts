/**
 * What every store keeps, whatever it is made of: the laws of `UnitOfWork`, `RowStore`, `Outbox` and `Receipts`, as tests.
 *
 * `repositoryLaws("mine", layer)` declares them with vitest. The layer is made for `registry` and starts empty.
 */
import type { Actor } from "@tenon/core/Actor"
import { CurrentActor } from "@tenon/core/Actor"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import type { ActionFailure } from "@tenon/core/Failure"
import * as Query from "@tenon/core/Query"
import { Receipts } from "@tenon/core/Receipts"
import * as Repository from "@tenon/core/Repository"
import type * as Resource from "@tenon/core/Resource"
import { RowStore } from "@tenon/core/RowStore"
import { type EncodedRow, Outbox, type Pending, type UnitOfWork } from "@tenon/core/UnitOfWork"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import {
  Account,
  Badge,
  Card,
  Claim,
  Line,
  Planet,
  Post,
  registry,
  Sample,
  Seat,
  Tally,
  Topic
} from "./RepositoryLawsDomain.ts"
import * as Testing from "./Testing.ts"

export { registry } from "./RepositoryLawsDomain.ts"

const a = Testing.actor({ tenantId: "tenant-a" })
const b = Testing.actor({ tenantId: "tenant-b" })

interface Call {
  readonly by?: Actor
  readonly input?: Schema.Json
  readonly receipt?: string
  readonly caller?: { readonly key: string; readonly fingerprint: string }
  readonly expectedVersion?: number
}

const execute = (resource: Resource.Any, action: string, key: string, call: Call = {}) =>
  Effect.flatMap(Executor.Executor, (executor) =>
    executor.execute(
      {
        resource: resource.name,
        action,
        key,
        input: call.input ?? {},
        actor: call.by ?? a,
        origin: "door",
        ...(call.caller === undefined ? {} : { idempotencyKey: call.caller.key, fingerprint: call.caller.fingerprint }),
        ...(call.expectedVersion === undefined ? {} : { expectedVersion: call.expectedVersion })
      },
      call.receipt
    )
  )

const result = (resource: Resource.Any, action: string, key: string, call?: Call) =>
  Effect.map(execute(resource, action, key, call), (executed) => executed.result)

/** The failure with its own fields. */
const failureOf = <A, R>(effect: Effect.Effect<A, ActionFailure, R>) =>
  Effect.map(Effect.flip(effect), (failure): { readonly [field: string]: unknown } => ({
    ...failure,
    _tag: failure._tag
  }))

const refused = <A, R>(effect: Effect.Effect<A, ActionFailure, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

const find = (resource: Resource.Any, key: string, by = a) =>
  Effect.flatMap(RowStore, (store) => store.find(by, resource, key))

const save = (resource: Resource.Any, row: EncodedRow, by = a) =>
  Effect.flatMap(RowStore, (store) => store.save(by, resource, row))

const count = (resource: Resource.Any, field?: string, value?: string, by = a) =>
  Effect.gen(function* () {
    const filters = field === undefined ? [] : [{ field, operator: "eq", value: value ?? "" }]
    const query = yield* Effect.fromResult(Query.parse(resource, { filters }))
    return yield* (yield* RowStore).count(by, resource, query)
  })

const together = <A, E, R>(times: number, each: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.all(
    Array.from({ length: times }, (_, index) => each(index)),
    { concurrency: "unbounded" }
  )

const post = (topic: string, key: string, by = a) => result(Topic, "post", topic, { by, input: { key, text: key } })

const saveFor = (id: string, key: string) => save(Post, { id, topicId: "direct", key, text: key, position: 0 })

const line = (id: string, slot: string, text: string) => save(Line, { id, page: "p", slot, text, number: 0 })

const createOnce = (key: string, fingerprint: string, by = a) =>
  execute(Account, "create", key, { by, input: { name: key }, caller: { key: "reused", fingerprint } })

const numbers = (to: number) => Array.from({ length: to }, (_, index) => index + 1)
const sorted = (values: ReadonlyArray<unknown>) => values.toSorted((x, y) => Number(x) - Number(y))

/** Declares the laws for a store. They share its rows, so each uses keys of its own. */
export const repositoryLaws = <E>(
  name: string,
  store: Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts, E>,
  options: { readonly timeout?: number } = {}
): void => {
  const services = Layer.mergeAll(Executor.layer(registry), Repository.layer).pipe(
    Layer.provideMerge(store),
    Layer.provideMerge(Layer.mergeAll(AuditLog.layerMemory([]), Layer.succeed(CurrentActor, a)))
  )
  const timeout = options.timeout ?? 60_000

  describe(`the repository laws: ${name}`, () => {
    suite(services, { timeout, excludeTestServices: true })((it) => {
      it.effect("rows come back as they were saved", () =>
        Effect.gen(function* () {
          for (const [index, row] of samples(7, 60).entries()) {
            const saved = { ...row, id: `same-${index}` }
            yield* save(Sample, saved)
            assert.deepStrictEqual(yield* find(Sample, saved.id), saved)
          }
          const changed = { ...(yield* find(Sample, "same-1")), text: "changed", note: null, list: null }
          yield* save(Sample, changed)
          assert.deepStrictEqual(yield* find(Sample, "same-1"), changed)
          const rows = yield* RowStore
          assert.isTrue(yield* rows.remove(a, Sample, "same-1"))
          assert.isFalse(yield* rows.remove(a, Sample, "same-1"))
          assert.isUndefined(yield* find(Sample, "same-1"))
          const many = yield* rows.findMany(a, Sample, ["same-2", "none", "same-3", "same-2", "a\u0000b"])
          assert.deepStrictEqual(many.map(({ id }) => String(id)).toSorted(), ["same-2", "same-3"])
        })
      )

      it.effect("keys that nothing can be stored under find nothing", () =>
        Effect.gen(function* () {
          for (const key of ["a\u0000b", "\uD800", "'; drop table x; --"]) {
            assert.isUndefined(yield* find(Sample, key))
            assert.strictEqual(yield* refused(execute(Sample, "get", key)), "NotFound")
            assert.strictEqual(yield* refused(execute(Sample, "remove", key)), "NotFound")
          }
        })
      )

      it.effect("an earlier row stays where the conflict rule says so", () =>
        Effect.gen(function* () {
          const made = yield* together(20, (index) =>
            result(Claim, "create", `claim-${index}`, { input: { thing: "stone", by: String(index) } })
          )
          assert.strictEqual(new Set(made.map((each) => JSON.stringify(each))).size, 1)
          assert.strictEqual(yield* count(Claim, "thing", "stone"), 1)
        })
      )

      it.effect("positions are gapless, in order, and never given twice", () =>
        Effect.gen(function* () {
          yield* execute(Topic, "create", "gapless", { input: { title: "t" } })
          const given = yield* together(50, (index) => post("gapless", `k${index}`))
          assert.deepStrictEqual(sorted(given), numbers(50))
          const repeated = yield* together(20, (index) => post("gapless", `k${index}`))
          assert.deepStrictEqual(repeated, given.slice(0, 20))
          assert.strictEqual(yield* post("gapless", "next"), 51)
          const rows = yield* RowStore
          const query = yield* Effect.fromResult(
            Query.parse(Post, { filters: [{ field: "topicId", operator: "eq", value: "gapless" }], sort: "-position" })
          )
          const [last] = (yield* rows.page(a, Post, query)).items
          assert.strictEqual(last?.["position"], 51)
          yield* rows.remove(a, Post, String(last?.["id"]))
          assert.strictEqual(yield* post("gapless", "after"), 52)
          assert.strictEqual(yield* count(Post, "topicId", "gapless"), 51)
        })
      )

      it.effect("positions of rows saved without their parent's lock are gapless too", () =>
        Effect.gen(function* () {
          yield* execute(Topic, "create", "direct", { input: { title: "t" } })
          const given = yield* together(40, (index) => saveFor(`direct-${index}`, `k${index % 20}`))
          assert.deepStrictEqual(sorted([...new Set(given.map(({ position }) => position))]), numbers(20))
          assert.strictEqual((yield* saveFor("direct-last", "last"))["position"], 21)
        })
      )

      it.effect("a row that is replaced keeps its position", () =>
        Effect.gen(function* () {
          assert.strictEqual((yield* line("1", "x", "one"))["number"], 1)
          assert.strictEqual((yield* line("2", "y", "two"))["number"], 2)
          assert.deepStrictEqual(yield* line("3", "x", "three"), {
            id: "1",
            page: "p",
            slot: "x",
            text: "three",
            number: 1
          })
          assert.isUndefined(yield* find(Line, "3"))
          assert.strictEqual(yield* refused(line("2", "x", "of another")), "AlreadyExists")
          assert.strictEqual((yield* find(Line, "1"))?.["text"], "three")
          const given = yield* together(20, (index) => line(`c${index}`, `s${index % 10}`, "t"))
          assert.deepStrictEqual(sorted([...new Set(given.map(({ number }) => number))]), numbers(12).slice(2))
        })
      )

      it.effect("a row that is replaced keeps its key and the time of its creation", () =>
        Effect.gen(function* () {
          const create = (key: string, place: string, holder: string, call: Call = {}) =>
            execute(Seat, "create", key, { ...call, input: { place, holder } })
          const first = (yield* create("s1", "aisle", "ada")).result
          yield* Effect.sleep(5)
          const caller = { key: "seat", fingerprint: "f" }
          const second = yield* create("s2", "aisle", "bob", { caller })
          assert.deepStrictEqual(second.result, { ...(first as object), holder: "bob", version: 2 })
          assert.deepStrictEqual(yield* find(Seat, "s1"), second.result as EncodedRow)
          assert.isUndefined(yield* find(Seat, "s2"))
          assert.deepStrictEqual(yield* create("s3", "aisle", "bob", { caller }), second)
          // The same through the store alone, and at the version that stands.
          const row = { id: "s4", place: "aisle", holder: "cyd", since: "2000-01-01T00:00:00.000Z" }
          assert.strictEqual(yield* refused(save(Seat, { ...row, version: 1 })), "VersionConflict")
          assert.deepStrictEqual(yield* save(Seat, { ...row, version: 2 }), {
            ...(first as object),
            holder: "cyd",
            version: 3
          })
          const badge = (yield* execute(Badge, "create", "b", { input: { text: "one" } })).result as EncodedRow
          yield* Effect.sleep(5)
          const anew = (yield* execute(Badge, "create", "b", { input: { text: "two" } })).result
          assert.deepStrictEqual(anew, { ...badge, text: "two" })
          assert.deepStrictEqual(yield* find(Badge, "b"), anew as EncodedRow)
        })
      )

      it.effect("a row cannot be moved to the natural key of another", () =>
        Effect.gen(function* () {
          const create = (key: string) => execute(Seat, "create", key, { input: { place: key, holder: key } })
          yield* create("left")
          yield* create("right")
          const before = yield* find(Seat, "right")
          const move = execute(Seat, "move", "left", { input: { place: "right" } })
          assert.deepStrictEqual(yield* failureOf(move), { _tag: "AlreadyExists", resource: "LawSeat", fields: ["id"] })
          assert.deepStrictEqual(yield* find(Seat, "right"), before)
          assert.strictEqual((yield* find(Seat, "left"))?.["place"], "left")
        })
      )

      it.effect("many saves of one natural key at once make one row", () =>
        Effect.gen(function* () {
          const made = yield* together(30, (index) =>
            execute(Seat, "create", `many-${index}`, { input: { place: "many", holder: String(index) } })
          )
          assert.strictEqual(yield* count(Seat, "place", "many"), 1)
          const rows = made.map(({ result }) => result as EncodedRow)
          assert.strictEqual(new Set(rows.map(({ id }) => id)).size, 1)
          assert.strictEqual(new Set(rows.map(({ since }) => since)).size, 1)
          assert.deepStrictEqual(sorted(rows.map(({ version }) => version)), numbers(30))
        })
      )

      it.effect("versions count saves and refuse what is stale", () =>
        Effect.gen(function* () {
          const made = yield* execute(Account, "create", "versioned", { input: { name: "versioned" } })
          assert.strictEqual(made.version, 1)
          const added = yield* execute(Account, "add", "versioned", { input: { amount: 5 }, expectedVersion: 1 })
          assert.strictEqual(added.version, 2)
          const overwrite = (key: string, version: number) => execute(Account, "overwrite", key, { input: { version } })
          assert.strictEqual(yield* refused(overwrite("versioned", 1)), "VersionConflict")
          assert.strictEqual(yield* refused(overwrite("versioned", 3)), "VersionConflict")
          assert.strictEqual(yield* refused(overwrite("not-there", 3)), "VersionConflict")
          assert.isUndefined(yield* find(Account, "not-there"))
          assert.strictEqual((yield* overwrite("versioned", 2)).version, 3)
          assert.strictEqual((yield* overwrite("versioned", 0)).version, 4)
          assert.strictEqual((yield* overwrite("fresh", 0)).version, 1)
          assert.strictEqual(
            yield* refused(execute(Account, "add", "versioned", { input: { amount: 1 }, expectedVersion: 1 })),
            "VersionConflict"
          )
          // A create of a key that is there replaces it, and counts on.
          const again = yield* execute(Account, "create", "versioned", { input: { name: "versioned" } })
          assert.strictEqual(again.version, 5)
          const row = { id: "versioned", name: "versioned", balance: 1 }
          assert.strictEqual(yield* refused(save(Account, { ...row, version: 2 })), "VersionConflict")
          assert.strictEqual((yield* save(Account, { ...row, version: 5 }))["version"], 6)
          assert.strictEqual((yield* save(Account, { ...row, version: 0 }))["version"], 7)
        })
      )

      it.effect("write actions on one object run one at a time", () =>
        Effect.gen(function* () {
          yield* execute(Account, "create", "hot", { input: { name: "hot" } })
          yield* together(40, () => execute(Account, "add", "hot", { input: { amount: 1 } }))
          assert.strictEqual(yield* result(Account, "get", "hot"), 40)
          const ticks = yield* together(40, () => result(Tally, "tick", "no row at first"))
          assert.deepStrictEqual(sorted(ticks), numbers(40))
        })
      )

      it.effect("a receipt gives the stored outcome and decides nothing again", () =>
        Effect.gen(function* () {
          yield* execute(Account, "create", "receipts", { input: { name: "receipts" } })
          yield* execute(Account, "add", "receipts", { input: { amount: 3 } })
          const spent = yield* execute(Account, "spendAll", "receipts", { receipt: "run-1" })
          assert.deepStrictEqual(yield* execute(Account, "spendAll", "receipts", { receipt: "run-1" }), spent)
          assert.strictEqual(yield* refused(execute(Account, "spendAll", "receipts", { receipt: "run-2" })), "Spent")
          // A refusal is not kept, and the row may go.
          yield* execute(Account, "remove", "receipts")
          assert.deepStrictEqual(yield* execute(Account, "spendAll", "receipts", { receipt: "run-1" }), spent)
        })
      )

      it.effect("a receipt counts once among many at once", () =>
        Effect.gen(function* () {
          const caller = { key: "once", fingerprint: "f" }
          const input = { thing: "once", by: "me" }
          const made = yield* together(200, (index) =>
            execute(Account, "create", `once-${index}`, { input: { name: "once" }, caller })
          )
          for (const each of made) assert.deepStrictEqual(each, made[0])
          assert.strictEqual(yield* count(Account, "name", "once"), 1)
          const claims = yield* together(50, (index) =>
            execute(Claim, "create", `once-${index}`, { input, caller: { key: "claim-once", fingerprint: "f" } })
          )
          for (const each of claims) assert.deepStrictEqual(each, claims[0])
          yield* execute(Account, "create", "adds-once", { input: { name: "adds-once" } })
          const adds = yield* together(100, () =>
            execute(Account, "add", "adds-once", { input: { amount: 1 }, receipt: "add-once" })
          )
          assert.isTrue(adds.every(({ version }) => version === 2))
          assert.strictEqual(yield* result(Account, "get", "adds-once"), 1)
        })
      )

      it.effect("a caller's key does not serve another request", () =>
        Effect.gen(function* () {
          yield* createOnce("reused", "one")
          const failure = yield* failureOf(createOnce("other", "two"))
          assert.deepInclude(failure, { _tag: "IdempotencyKeyReused", key: "reused" })
          assert.isUndefined(yield* find(Account, "other"))
          // Another tenant's keys are its own.
          yield* createOnce("reused", "two", b)
        })
      )

      it.effect("unique keys and references hold", () =>
        Effect.gen(function* () {
          yield* execute(Account, "create", "unique-1", { input: { name: "unique" } })
          const twice = yield* failureOf(execute(Account, "create", "unique-2", { input: { name: "unique" } }))
          assert.deepInclude(twice, { _tag: "AlreadyExists", resource: "LawAccount", fields: ["name"] })
          const dangling = execute(Card, "create", "card", { input: { accountId: "nobody", spare: null } })
          assert.deepInclude(yield* failureOf(dangling), {
            _tag: "BrokenReference",
            resource: "LawCard",
            relation: "account"
          })
          yield* execute(Card, "create", "card", { input: { accountId: "unique-1", spare: null } })
          const held = yield* failureOf(execute(Account, "remove", "unique-1"))
          assert.deepInclude(held, { _tag: "BrokenReference", resource: "LawCard", relation: "account" })
          yield* execute(Topic, "create", "cascade", { input: { title: "t" } })
          yield* execute(Topic, "post", "cascade", { input: { key: "k", text: "t" } })
          yield* execute(Topic, "remove", "cascade")
          assert.strictEqual(yield* count(Post, "topicId", "cascade"), 0)
        })
      )

      it.effect("an action gets what it loads", () =>
        Effect.gen(function* () {
          yield* execute(Account, "create", "loads", { input: { name: "loads" } })
          yield* execute(Card, "create", "load-1", { input: { accountId: "loads", spare: null } })
          yield* execute(Card, "create", "load-2", { input: { accountId: "loads", spare: "yes" } })
          assert.deepStrictEqual(yield* result(Card, "peers", "load-1"), [2, 1, "loads"])
        })
      )

      it.effect("an action that dies leaves nothing behind", () =>
        Effect.gen(function* () {
          yield* execute(Account, "create", "dies", { input: { name: "dies" } })
          for (const action of ["dieDeciding", "dieConcluding"]) {
            const exit = yield* Effect.exit(execute(Account, action, "dies", { receipt: `dies-${action}` }))
            assert.isTrue(Exit.isFailure(exit) && Exit.hasDies(exit), action)
            assert.deepInclude(yield* find(Account, "dies"), { balance: 0, version: 1 })
          }
          yield* execute(Account, "add", "dies", { input: { amount: 1 }, receipt: "dies-dieDeciding" })
        })
      )

      it.effect("text that cannot be stored is refused, not a defect", () =>
        Effect.gen(function* () {
          for (const bad of ["a\u0000b", "\uD800"]) {
            const exits = yield* Effect.all([
              Effect.exit(execute(Account, "create", "bad", { input: { name: bad } })),
              Effect.exit(execute(Account, "create", bad, { input: { name: "bad" } })),
              Effect.exit(execute(Account, "overwrite", bad, { input: { version: 0 } })),
              Effect.exit(save(Sample, { ...samples(1, 1)[0], id: "bad", body: { bad } }))
            ])
            for (const exit of exits) assert.isFalse(Exit.isFailure(exit) && Exit.hasDies(exit), JSON.stringify(exit))
          }
        })
      )

      it.effect("two tenants never see each other", () =>
        Effect.gen(function* () {
          const rows = yield* RowStore
          const [sample] = samples(3, 1)
          const mine = { ...sample, id: "shared", text: "mine" }
          const theirs = { ...sample, id: "shared", text: "theirs" }
          yield* save(Sample, mine)
          assert.isUndefined(yield* find(Sample, "shared", b))
          assert.deepStrictEqual(yield* rows.findMany(b, Sample, ["shared"]), [])
          assert.isFalse(yield* rows.remove(b, Sample, "shared"))
          assert.strictEqual(yield* count(Sample, "text", "mine", b), 0)
          for (const action of ["get", "remove"]) {
            assert.strictEqual(yield* refused(execute(Sample, action, "shared", { by: b })), "NotFound")
          }
          yield* save(Sample, theirs, b)
          assert.deepStrictEqual(yield* find(Sample, "shared"), mine)
          assert.deepStrictEqual(yield* find(Sample, "shared", b), theirs)
          const query = yield* Effect.fromResult(Query.parse(Sample, { limit: "500" }))
          assert.deepStrictEqual((yield* rows.page(b, Sample, query)).items, [theirs])
          yield* execute(Sample, "remove", "shared", { by: b })
          assert.deepStrictEqual(yield* find(Sample, "shared"), mine)
          // Unique names, counters and references are a tenant's own.
          yield* execute(Account, "create", "apart", { input: { name: "apart" } })
          yield* execute(Account, "create", "apart", { by: b, input: { name: "apart" } })
          yield* execute(Account, "create", "apart-a", { input: { name: "apart-a" } })
          const across = execute(Card, "create", "across", { by: b, input: { accountId: "apart-a", spare: null } })
          assert.strictEqual(yield* refused(across), "BrokenReference")
          yield* execute(Topic, "create", "apart", { input: { title: "t" } })
          yield* execute(Topic, "create", "apart", { by: b, input: { title: "t" } })
          assert.deepStrictEqual(
            yield* Effect.all([post("apart", "1"), post("apart", "2"), post("apart", "1", b)], { concurrency: 1 }),
            [1, 2, 1]
          )
        })
      )

      it.effect("rows of no tenant are everyone's", () =>
        Effect.gen(function* () {
          yield* execute(Planet, "create", "mars", { input: { name: "Mars" } })
          yield* execute(Planet, "rename", "mars", { by: b, input: { name: "Ares" } })
          assert.deepStrictEqual(yield* find(Planet, "mars"), { id: "mars", name: "Ares" })
          yield* execute(Planet, "remove", "mars", { by: b })
          assert.isUndefined(yield* find(Planet, "mars"))
        })
      )

      it.effect("deliveries wait in the outbox, in order, until they are delivered", () =>
        Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.drain(1000, () => Effect.void)
          assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 0)
          for (const id of ["out-1", "out-2"]) yield* execute(Topic, "create", id, { input: { title: "t" } })
          const posted = yield* execute(Topic, "post", "out-1", { input: { key: "1", text: "t" }, receipt: "outbox" })
          assert.deepStrictEqual(posted.deliveries, [])
          yield* execute(Topic, "post", "out-1", { input: { key: "2", text: "t" } })
          yield* execute(Topic, "post", "out-1", { input: { key: "1", text: "t" } })
          yield* execute(Topic, "post", "out-1", { input: { key: "1", text: "t" }, receipt: "outbox" })
          yield* execute(Topic, "post", "out-2", { input: { key: "1", text: "t" } })
          yield* outbox.awaitWork
          const seen: Array<Pending> = []
          const deliver = (pending: Pending) => Effect.sync(() => void seen.push(pending))
          assert.strictEqual(yield* outbox.drain(1, deliver), 1)
          assert.strictEqual(yield* outbox.drain(1000, deliver), 2)
          assert.strictEqual(yield* outbox.drain(1000, deliver), 0)
          assert.strictEqual(new Set(seen.map(({ id }) => id)).size, 3)
          assert.deepStrictEqual(
            seen.map(({ actor, delivery }) => [actor.tenantId, delivery.key]),
            [
              ["tenant-a", "out-1"],
              ["tenant-a", "out-1"],
              ["tenant-a", "out-2"]
            ]
          )
        })
      )

      it.effect("what could never be delivered or kept is refused where it is decided, and nothing is saved", () =>
        Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* execute(Topic, "create", "says", { input: { title: "new" } })
          yield* outbox.drain(1000, () => Effect.void)
          const sound = { to: "someone", text: "t", answer: "a" }
          const faults = [
            ...["", "x".repeat(201), "x".repeat(300), "a\nb", "a\u0000b", "a\ud800b"].map((to) => ({ to })),
            ...["a\u0000b", "\udfff"].flatMap((text) => [{ text }, { answer: text }])
          ]
          for (const [index, fault] of faults.entries()) {
            for (const late of [false, true]) {
              const input = { ...sound, ...fault, late }
              for (const receipt of [undefined, `says-${index}-${late}`]) {
                const call = receipt === undefined ? { input } : { input, receipt }
                const failure = yield* failureOf(execute(Topic, "say", "says", call))
                assert.strictEqual(failure["_tag"], "InvalidOutcome", JSON.stringify(input))
              }
              assert.deepInclude(yield* find(Topic, "says"), { title: "new" })
              assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 0)
            }
          }
          // A refusal leaves no receipt, so the same identity may do better.
          const better = { input: { ...sound, late: true }, receipt: "says-0-true" }
          assert.strictEqual(yield* result(Topic, "say", "says", better), "a")
          assert.strictEqual(yield* outbox.drain(1000, () => Effect.void), 1)
        })
      )

      it.effect("receipts answer until they are old, and then are purged, the oldest first and so many at a time", () =>
        Effect.gen(function* () {
          const receipts = yield* Receipts
          const spend = (receipt: string) => execute(Account, "spendAll", "purges", { receipt })
          yield* execute(Account, "create", "purges", { input: { name: "purges" } })
          while ((yield* receipts.purge(Duration.zero, 1000)) > 0) yield* Effect.yieldNow
          for (const receipt of ["p-1", "p-2", "p-3"]) {
            yield* execute(Account, "add", "purges", { input: { amount: 1 } })
            yield* spend(receipt)
          }
          assert.strictEqual(yield* receipts.purge(Duration.hours(1), 1000), 0)
          yield* Effect.sleep(5)
          assert.strictEqual(yield* receipts.purge(Duration.zero, 1), 1)
          yield* spend("p-2")
          assert.strictEqual(yield* refused(spend("p-1")), "Spent")
          assert.strictEqual(yield* receipts.purge(Duration.zero, 1000), 2)
          assert.strictEqual(yield* receipts.purge(Duration.zero, 1000), 0)
          assert.strictEqual(yield* refused(spend("p-3")), "Spent")
        })
      )

      it.effect("a stream gives every row once, in the order of keys and page by page, and its own tenant's only", () =>
        Effect.gen(function* () {
          const { stream } = yield* Executor.Executor
          const open = (action: string, input: Schema.Json = {}, by = a) =>
            stream({ resource: Account.name, action, key: "streams", input, actor: by, origin: "door" })
          const all = (action: string, input?: Schema.Json, by?: Actor) =>
            Effect.flatMap(open(action, input, by), Stream.runCollect)
          for (const by of [a, b]) yield* execute(Account, "create", "streams", { by, input: { name: "streams" } })
          const ids = Array.from({ length: 1_010 }, (_, index) => `stream ${(index * 7919) % 1_010} é\u{1f600}`)
          const card = (id: string, by: Actor) => save(Card, { id, accountId: "streams", spare: null }, by)
          yield* together(ids.length, (index) => card(ids[index] ?? "", a))
          yield* card("theirs", b)
          const expected = ids.toSorted()
          assert.deepStrictEqual(yield* all("cards"), expected)
          assert.deepStrictEqual(yield* all("cards", {}, b), ["theirs"])
          for (const limit of [0, 1, 200, 201, 400, 1_009, 2_000]) {
            assert.deepStrictEqual(yield* all("someCards", { limit }), expected.slice(0, limit))
          }
          // Run as a whole it is given what fits.
          assert.deepStrictEqual(yield* result(Account, "cards", "streams"), expected.slice(0, 1_000))

          // A page is read when it is asked for, and its object with it.
          const seen: Array<unknown> = []
          const exit = yield* Effect.flatMap(open("cards"), (opened) =>
            Stream.runForEachArray(opened, (page) =>
              Effect.gen(function* () {
                seen.push(...page)
                const rows = yield* RowStore
                if (seen.length === 400) for (const id of ids) yield* rows.remove(a, Card, id)
              })
            )
          ).pipe(Effect.exit)
          assert.isTrue(Exit.isSuccess(exit))
          assert.deepStrictEqual(seen, expected.slice(0, 400))
          yield* execute(Account, "remove", "streams")
          assert.strictEqual(yield* refused(open("cards")), "NotFound")
        })
      )

      it.effect("filters, orders and pages agree with a model", () =>
        Effect.gen(function* () {
          const rows = yield* RowStore
          const by = Testing.actor({ tenantId: "tenant-pages" })
          const all = samples(11, 80).map((row, index) => ({ ...row, id: `page-${index}` }))
          for (const row of all) yield* rows.save(by, Sample, row)
          const random = randomly(23)
          for (let round = 0; round < 150; round++) {
            const parameters = anyParameters(random, all)
            const query = yield* Effect.fromResult(Query.parse(Sample, parameters))
            const expected = model(all, query)
            assert.strictEqual(yield* rows.count(by, Sample, query), expected.length, JSON.stringify(parameters))
            const given: Array<unknown> = []
            let after: string | undefined
            do {
              const next = yield* Effect.fromResult(Query.parse(Sample, { ...parameters, after }))
              const page = yield* rows.page(by, Sample, next)
              assert.isAtMost(page.items.length, query.limit)
              given.push(...page.items.map(({ id }) => id))
              after = page.next
            } while (after !== undefined)
            assert.deepStrictEqual(
              given,
              expected.map(({ id }) => id),
              JSON.stringify(parameters)
            )
          }
        })
      )
    })
  })
}

type SampleRow = EncodedRow & { readonly id: string }

/** A generator of whole numbers below a bound; the same for the same seed. */
const randomly = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const words = [
  "",
  " ",
  "a",
  "A",
  "b",
  "aa",
  "Z",
  "é",
  "e\u0301",
  "ß",
  "日本",
  "😀",
  "\u{10FFFF}",
  "\uFFFD",
  "'",
  "''",
  '"',
  "\\",
  "%",
  "_",
  "'; drop table law_samples; --",
  "$1",
  "{a,b}",
  "null",
  "NULL",
  "\t\n",
  "a,b",
  "\u0001",
  "x".repeat(300)
]
const instants = [
  "1969-12-31T23:59:59.999Z",
  "1970-01-01T00:00:00.000Z",
  "2026-11-21T03:05:00.120Z",
  "2026-11-21T03:05:00.121Z",
  "9999-12-31T23:59:59.999Z",
  "+012345-01-01T00:00:00.000Z",
  "0001-01-01T00:00:00.000Z",
  "-000044-03-15T12:00:00.001Z"
]
const integers = [0, 1, -1, 7, 1_000_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
const floats = [0, 0.1, -0.1, 1e-7, 1.5, 1e21, 5e-324, Number.MAX_VALUE, -1e100]
const bodies: ReadonlyArray<Schema.Json> = [
  null,
  true,
  0,
  "text",
  "'; --",
  [],
  [1, [2, "x"]],
  {},
  { a: { b: [null] } },
  "null"
]

const samples = (seed: number, size: number): ReadonlyArray<SampleRow> => {
  const random = randomly(seed)
  const pick = <A>(from: ReadonlyArray<A>): A => from[random(from.length)] as A
  return Array.from({ length: size }, () => ({
    id: "",
    text: pick(words),
    count: pick(integers),
    score: pick(floats),
    flag: random(2) === 0,
    at: pick(instants),
    level: pick(["low", "mid", "high"]),
    note: random(3) === 0 ? null : pick(words),
    body: pick(bodies),
    list: pick([null, [], [1, 2, 3]])
  }))
}

const fields = ["id", "text", "count", "score", "flag", "at", "level", "note"]

const anyParameters = (random: (below: number) => number, rows: ReadonlyArray<SampleRow>): Query.Parameters => {
  const filters = Array.from({ length: random(3) }, () => {
    const field = fields[random(fields.length)] as string
    const operator = Query.operators[random(Query.operators.length)] as Query.Operator
    const value = () => String(rows[random(rows.length)]?.[field] ?? "")
    if (operator === "null") return { field, operator, value: String(random(2) === 0) }
    // A list is separated by commas, so its values must not hold any.
    const list = () => [value(), value(), value()].filter((each) => !each.includes(","))
    return { field, operator, value: operator === "in" ? list().join(",") || value().replaceAll(",", "") : value() }
  })
  const sortable = fields.filter((field) => field !== "note")
  const sort = Array.from(
    { length: random(4) },
    () => `${random(2) === 0 ? "-" : ""}${sortable[random(sortable.length)]}`
  )
  return { filters, sort: sort.join(","), limit: String(1 + random(30)) }
}

/** As the bytes of UTF-8 compare: not how the stores do it, but what they mean. */
const compare = (x: unknown, y: unknown, kind: string): number => {
  if (kind === "timestamp") return Date.parse(String(x)) - Date.parse(String(y))
  if (typeof x !== "string" || typeof y !== "string") return Number(x) < Number(y) ? -1 : Number(x) > Number(y) ? 1 : 0
  const [left, right] = [new TextEncoder().encode(x), new TextEncoder().encode(y)]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    if (left[index] !== right[index]) return Number(left[index]) - Number(right[index])
  }
  return left.length - right.length
}

const model = (rows: ReadonlyArray<SampleRow>, { filters, order }: Query.Query): ReadonlyArray<SampleRow> =>
  rows
    .filter((row) =>
      filters.every(({ column: { field, kind }, operator, value }) => {
        const actual = row[field] ?? null
        if (operator === "null") return (actual === null) === value
        if (actual === null) return false
        if (operator === "in") return [value].flat().some((each) => compare(actual, each, kind) === 0)
        const difference = compare(actual, value, kind)
        switch (operator) {
          case "eq":
            return difference === 0
          case "ne":
            return difference !== 0
          case "lt":
            return difference < 0
          case "lte":
            return difference <= 0
          case "gt":
            return difference > 0
          case "gte":
            return difference >= 0
        }
      })
    )
    .toSorted((x, y) => {
      for (const { column, descending } of order) {
        const difference = compare(x[column.field], y[column.field], column.kind)
        if (difference !== 0) return descending ? -difference : difference
      }
      return 0
    })
