import * as CurrentActorModule from "@tenon/core/Actor"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Explain from "@tenon/core/Explain"
import * as Field from "@tenon/core/Field"
import { Interpreter } from "@tenon/core/Interpreter"
import * as Load from "@tenon/core/Load"
import { MemoryStore } from "@tenon/core/MemoryStore"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Query from "@tenon/core/Query"
import * as DomainEvent from "@tenon/core/DomainEvent"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import * as Tenon from "@tenon/core/Tenon"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const { CurrentActor } = CurrentActorModule

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { left: Schema.Int }, { httpStatus: 409 }) {}

const Ordered = DomainEvent.make("Ordered", { payload: { itemId: Schema.String, count: Schema.Int } })

const Item = Resource.make("Item", {
  fields: {
    id: Field.Id,
    name: Schema.NonEmptyString,
    stock: Schema.Int.pipe(Field.withDefault(0)),
    status: Schema.Literals(["DRAFT", "OPEN", "CLOSED"]).pipe(Field.withDefault("DRAFT")),
    cost: Schema.optionalKey(Schema.Finite).pipe(Field.sensitive),
    margin: Schema.Finite.pipe(Field.withDefault(5), Field.visibleTo("admin", "accountant")),
    version: Field.Version,
    updatedAt: Field.UpdatedAt
  },
  transitions: { status: { DRAFT: ["OPEN"], OPEN: ["CLOSED"] } },
  identities: { name: ["name"] },
  actions: (on) => ({
    create: on.create({ input: { name: Schema.String, cost: Schema.optionalKey(Schema.Finite) } }),
    move: on.update({ input: { to: Schema.Literals(["DRAFT", "OPEN", "CLOSED"]) } }, ({ self, input }) => ({
      ...self,
      status: input.to
    })),
    order: on.action(
      { input: { count: Schema.Int }, errors: [OutOfStock], output: Schema.Int, touches: [Ordered] },
      ({ self, input }) => {
        if (self.stock < input.count) return Result.fail(new OutOfStock({ left: self.stock }))
        return on.save({ ...self, stock: self.stock - input.count }).pipe(
          Outcome.emit(Ordered, { itemId: self.id, count: input.count }),
          Outcome.when(input.count === 7, Outcome.emit(Ordered, { itemId: self.id, count: 0 }, { delay: "1 minute" })),
          Outcome.map((saved) => saved.stock)
        )
      }
    ),
    restock: on.update(
      {
        policy: Policy.all(
          Policy.roles("admin"),
          Policy.check("the item is open", ({ self }) => isOpen(self))
        )
      },
      ({ self }) => ({ ...self, stock: self.stock + 10 })
    ),
    /** As many rows and events as 2 to the power of these. */
    flood: on.action({ input: { rows: Schema.Int, events: Schema.Int }, touches: [Ordered] }, ({ input, self }) => {
      const doubled = (outcome: Outcome.Outcome<void>, times: number): Outcome.Outcome<void> =>
        times === 0 ? outcome : doubled(outcome.pipe(Outcome.also(outcome)), times - 1)
      const told = Outcome.nothing.pipe(Outcome.emit(Ordered, { itemId: self.id, count: 1 }))
      return doubled(on.remove("nothing"), input.rows).pipe(Outcome.also(doubled(told, input.events)))
    }),
    sneak: on.action({}, () => Outcome.save(Other, { itemId: "x" }).pipe(Outcome.as(undefined))),
    others: on.read(
      { output: Schema.Int, load: ({ self }) => ({ count: Load.count(Other, { itemId: self.id }) }) },
      ({ loaded }) => loaded.count
    ),
    remove: on.destroy({})
  })
})

const isOpen = (self: unknown) =>
  typeof self === "object" && self !== null && "status" in self && self.status === "OPEN"

const Other = Resource.make("Other", {
  fields: { id: Field.Id, itemId: Schema.String },
  actions: (on) => ({ create: on.create({ input: { itemId: Schema.String } }) })
})

const registry = Registry.make({ resources: [Item, Other], events: [Ordered] })
const layer = Testing.layer(registry)
const as = (role: string) => Effect.provideService(CurrentActor, Testing.actor({ roles: [role] }))

describe("an action decides with no layer at all", () => {
  it("gives an outcome to compare", () => {
    const self = { id: "1", name: "bolt", stock: 3, status: "OPEN", margin: 5, version: 1 } as const
    const context = Testing.context()
    const row = { ...self, updatedAt: context.now }
    const decided = Item.actions.order.decide({ self: row, input: { count: 5 }, loaded: {} }, context)
    assert.isTrue(Result.isFailure(decided) && decided.failure.left === 3)
  })
})

it.layer(layer)("actions", (it) => {
  it.effect("fill defaults, count versions and emit in the same transaction", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "bolt" })
      assert.deepInclude(item, { stock: 0, status: "DRAFT", version: 1 })
      const open = yield* Tenon.invoke(Item.actions.move, item.id, { to: "OPEN" })
      assert.strictEqual(open.version, 2)
      const full = yield* Tenon.invoke(Item.actions.restock, item.id)
      assert.strictEqual(full.stock, 10)
      assert.strictEqual(yield* Tenon.invoke(Item.actions.order, item.id, { count: 4 }), 6)
      const { events } = yield* MemoryStore
      assert.deepStrictEqual(
        events.filter((event) => event.name === "Ordered").map((event) => event.payload),
        [{ itemId: item.id, count: 4 }]
      )
    })
  )

  it.effect("fail with their declared failure, and nothing is kept", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "nut" })
      const failure = yield* Effect.flip(Tenon.invoke(Item.actions.order, item.id, { count: 1 }))
      assert.instanceOf(failure, OutOfStock)
      const { events } = yield* MemoryStore
      assert.isFalse(events.some((event) => JSON.stringify(event.payload).includes(item.id)))
    })
  )

  it.effect("emit at once, or as much later as they say", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "late" })
      yield* Tenon.invoke(Item.actions.move, item.id, { to: "OPEN" })
      yield* Tenon.invoke(Item.actions.restock, item.id)
      yield* Tenon.invoke(Item.actions.order, item.id, { count: 7 })
      const { events } = yield* MemoryStore
      const delays = events.flatMap(({ delayMillis, payload }) =>
        JSON.stringify(payload).includes(item.id) ? [delayMillis] : []
      )
      assert.deepStrictEqual(delays, [undefined, 60_000])
    })
  )

  it.effect("obey the state machine", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "gear" })
      const failure = yield* Effect.flip(Tenon.invoke(Item.actions.move, item.id, { to: "CLOSED" }))
      assert.deepInclude(failure, { _tag: "InvalidTransition", from: "DRAFT", to: "CLOSED" })
    })
  )

  it.effect("change and tell no more at once than one transaction should", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "flood" })
      const flood = (rows: number, events: number) => Tenon.invoke(Item.actions.flood, item.id, { rows, events })
      yield* flood(13, 13)
      for (const [rows, events, what] of [
        [14, 0, "16384 rows"],
        [0, 14, "16384 directives"]
      ] as const) {
        const failure = yield* Effect.flip(flood(rows, events))
        assert.strictEqual(failure._tag, "InvalidOutcome")
        assert.include(failure.message, `${what} in one outcome, where 10000 are the most`)
      }
    })
  )

  it.effect("list every fault of an input", () =>
    Effect.gen(function* () {
      const interpreter = yield* Interpreter
      const request = { resource: "Item", action: "create", input: { name: 1, cost: "x", extra: true } }
      const failure = yield* Effect.flip(interpreter.perform(request))
      assert.strictEqual(failure._tag, "InvalidInput")
      for (const path of ["name", "cost", "extra"]) assert.include(failure.message, path)
    })
  )

  it.effect("refuse a row that the schema does not allow", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Tenon.invoke(Item.actions.create, { name: "" }))
      assert.strictEqual(failure._tag, "InvalidOutcome")
    })
  )

  it.effect("keep unique keys within a tenant", () =>
    Effect.gen(function* () {
      yield* Tenon.invoke(Item.actions.create, { name: "only" })
      const failure = yield* Effect.flip(Tenon.invoke(Item.actions.create, { name: "only" }))
      assert.strictEqual(failure._tag, "AlreadyExists")
      yield* Tenon.invoke(Item.actions.create, { name: "only" }).pipe(
        Effect.provideService(CurrentActor, Testing.actor({ tenantId: "tenant-b" }))
      )
    })
  )

  it.effect("check the version a caller names", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "versioned" })
      yield* Tenon.invoke(Item.actions.move, item.id, { to: "OPEN" }, { expectedVersion: 1 })
      const failure = yield* Effect.flip(
        Tenon.invoke(Item.actions.move, item.id, { to: "CLOSED" }, { expectedVersion: 1 })
      )
      assert.strictEqual(failure._tag, "VersionConflict")
    })
  )

  it.effect("answer a repeated idempotency key once", () =>
    Effect.gen(function* () {
      const options = { idempotencyKey: "abc" }
      const first = yield* Tenon.invoke(Item.actions.create, { name: "once" }, options)
      const second = yield* Tenon.invoke(Item.actions.create, { name: "once" }, options)
      assert.deepStrictEqual(second, first)
      const reused = yield* Effect.flip(Tenon.invoke(Item.actions.create, { name: "twice" }, options))
      assert.strictEqual(reused._tag, "IdempotencyKeyReused")
    })
  )

  it.effect("die on what they do not declare to touch, and keep nothing", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "sly" })
      const exit = yield* Effect.exit(Tenon.invoke(Item.actions.sneak, item.id))
      assert.isTrue(Exit.hasDies(exit))
      const repository = yield* Repository.Repository
      assert.strictEqual(yield* repository.count(Other), 0)
    })
  )

  it.effect("read what they declare to load", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "loaded" })
      yield* Tenon.invoke(Other.actions.create, { itemId: item.id })
      yield* Tenon.invoke(Other.actions.create, { itemId: item.id })
      assert.strictEqual(yield* Tenon.invoke(Item.actions.others, item.id), 2)
    })
  )

  it.effect("show sensitive fields to no door", () =>
    Effect.gen(function* () {
      const interpreter = yield* Interpreter
      const made = yield* interpreter.perform({ resource: "Item", action: "create", input: { name: "dear", cost: 7 } })
      assert.notProperty(made.result, "cost")
      const [row] = (yield* interpreter.list(Item, {
        filters: [],
        order: [],
        limit: 500,
        after: undefined
      })).items.filter((each) => each["name"] === "dear")
      assert.isDefined(row)
      assert.notProperty(row, "cost")
    })
  )

  it.effect("show a field to the roles that it is for, and to nobody else", () =>
    Effect.gen(function* () {
      const interpreter = yield* Interpreter
      const request = { resource: "Item", action: "create", input: { name: "priced" } }
      assert.property((yield* interpreter.perform(request)).result, "margin")
      const made = yield* interpreter.perform({ ...request, input: { name: "hidden" } }).pipe(as("editor"))
      assert.notProperty(made.result, "margin")
      const { id } = made.result as { readonly id: string }
      assert.notProperty(yield* interpreter.find(Item, id).pipe(as("viewer")), "margin")
      assert.property(yield* interpreter.find(Item, id), "margin")
      const all = { filters: [], order: [], limit: 500, after: undefined }
      for (const row of (yield* interpreter.list(Item, all).pipe(as("viewer"))).items) assert.notProperty(row, "margin")
      assert.isTrue(Result.isFailure(Query.parse(Item, { sort: "margin" })))
    })
  )

  it.effect("are for those with the role, and rows with the property, that the policy asks for", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "guarded" })
      const asViewer = yield* Effect.flip(Tenon.invoke(Item.actions.create, { name: "no" })).pipe(as("viewer"))
      assert.strictEqual(asViewer._tag, "Forbidden")
      const asEditor = yield* Effect.flip(Tenon.invoke(Item.actions.remove, item.id)).pipe(as("editor"))
      assert.strictEqual(asEditor._tag, "Forbidden")
      const closed = yield* Effect.flip(Tenon.invoke(Item.actions.restock, item.id))
      assert.include(closed.message, "the item is open")
      yield* Tenon.invoke(Item.actions.move, item.id, { to: "OPEN" })
      yield* Tenon.invoke(Item.actions.restock, item.id)
    })
  )
})

it.effect("denials are recorded", () => {
  const denials: Array<AuditLog.Denial> = []
  return Effect.gen(function* () {
    yield* Effect.exit(Tenon.invoke(Item.actions.create, { name: "no" })).pipe(as("viewer"))
    assert.deepInclude(denials[0], { action: "Item.create" })
  }).pipe(Effect.provide(Testing.layer(registry, { audit: AuditLog.layerMemory(denials) })))
})

it.layer(layer)("explain", (it) => {
  it.effect("shows what would happen and commits nothing", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "plain", cost: 3 })
      yield* Tenon.invoke(Item.actions.move, item.id, { to: "OPEN" })
      yield* Tenon.invoke(Item.actions.restock, item.id)
      const request = { resource: "Item", action: "order", key: item.id, input: { count: 4 } }
      const explained = yield* Explain.explain(registry, request)
      assert.deepInclude(explained.changes[0]?.row, { stock: 6 })
      assert.notProperty(explained.changes[0]?.row, "cost")
      assert.notProperty(explained.self, "cost")
      assert.deepStrictEqual(explained.events, [{ name: "Ordered", payload: { itemId: item.id, count: 4 } }])
      assert.isTrue(explained.decision.allowed)
      const repository = yield* Repository.Repository
      assert.strictEqual((yield* repository.get(Item, item.id)).stock, 10)
      const refused = yield* Explain.explain(registry, { ...request, input: { count: 40 } })
      assert.deepInclude(refused.failure, { tag: "OutOfStock", status: 409 })
    })
  )

  it.effect("says why a caller may not, by role or by row", () =>
    Effect.gen(function* () {
      const item = yield* Tenon.invoke(Item.actions.create, { name: "denied" })
      const request = { resource: "Item", action: "restock", key: item.id, input: {} }
      const byRole = yield* Explain.explain(registry, request).pipe(as("viewer"))
      assert.deepInclude(byRole, { self: undefined, changes: [], deliveries: [], events: [] })
      assert.deepInclude(byRole.decision, { allowed: false, reason: "needs one of the roles admin" })
      assert.deepInclude(byRole.failure, { tag: "Forbidden", status: 403 })
      const byRow = yield* Explain.explain(registry, request)
      assert.isFalse(byRow.decision.allowed)
      assert.include(byRow.decision.reason, "the item is open")
    })
  )

  it("lists what each action may touch", () => {
    const order = Explain.analyse(registry).find((each) => each.action === "Item.order")
    assert.deepStrictEqual(order?.failures, ["OutOfStock"])
    assert.deepStrictEqual(order?.touches, ["may save or remove Item", "emits Ordered"])
  })
})
