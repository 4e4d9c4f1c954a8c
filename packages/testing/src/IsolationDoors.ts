/** What the isolation proof tries in this process: reads, writes, every action, receipts and deliveries. */
import type * as Action from "@tenon/core/Action"
import { CurrentActor } from "@tenon/core/Actor"
import type * as Executor from "@tenon/core/Executor"
import type { ActionFailure } from "@tenon/core/Failure"
import type * as Interpreter from "@tenon/core/Interpreter"
import type { Executed, Invocation, Request } from "@tenon/core/Invocation"
import * as Query from "@tenon/core/Query"
import type * as Repository from "@tenon/core/Repository"
import type * as Resource from "@tenon/core/Resource"
import type { Runtime } from "@tenon/core/Runtime"
import * as Transitions from "@tenon/core/Transitions"
import type { EncodedRow } from "@tenon/core/UnitOfWork"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Data from "./IsolationData.ts"
import type { Attempt, Door, Ledger } from "./IsolationLedger.ts"

/** All that the proof works with. */
export interface World extends Data.Source {
  readonly data: Data.Data
  readonly ledger: Ledger
  readonly a: Data.Party
  readonly b: Data.Party
  readonly interpreter: Interpreter.Interpreter["Service"]
  readonly executor: Executor.Executor["Service"]
  readonly repository: Repository.Repository["Service"]
  readonly runtime: Runtime["Service"]
}

/** The resources whose rows belong to a tenant. */
export const tenantScoped = ({ registry }: Pick<World, "registry">): ReadonlyArray<Resource.Any> =>
  registry.resources.filter((each) => each.tenantScoped)

/** Does something as a tenant. */
export const as = (party: Data.Party) => Effect.provideService(CurrentActor, party.actor)

/** What there is of a resource on both sides. */
export const sides = (world: World, resource: Resource.Any) => {
  const theirs = world.b.rows.get(resource.name)?.[0] ?? {}
  return { theirs, theirKey: Data.keyOf(resource, theirs), mine: world.a.rows.get(resource.name) ?? [] }
}

/** Names the attempts on a resource. */
const at =
  (resource: Resource.Any) =>
  (door: Door, what: string): Attempt => ({ door, resource: resource.name, what })

const keysIn = (resource: Resource.Any, rows: unknown): ReadonlyArray<string> =>
  Array.isArray(rows) ? rows.map((row) => Data.keyOf(resource, row)).toSorted() : []

/** Every way to read: nothing of B's comes up, and A's own rows are all that there is. */
export const reads = Effect.fnUntraced(function* (world: World, resource: Resource.Any) {
  const { a, b, interpreter, ledger, repository, store } = world
  const { mine, theirKey, theirs } = sides(world, resource)
  const attempt = at(resource)
  const own = keysIn(resource, mine)
  const [ownKey = ""] = own
  const onlyMine = (where: Attempt, rows: unknown, all: boolean) => {
    const keys = keysIn(resource, rows)
    if (all ? keys.join() !== own.join() : keys.some((key) => !own.includes(key))) {
      ledger.breach(where, `gives the rows ${keys.join()}, and tenant A has ${own.join()}`)
    }
  }

  const control = attempt("store", "tenant B sees its own rows")
  const seen = yield* Data.allRows(store, b.actor, resource).pipe(Effect.orElseSucceed(() => []))
  if (!keysIn(resource, seen).includes(theirKey)) ledger.breach(control, "B does not: the proof would prove nothing")

  yield* ledger.blind(attempt("store", "find B's key"), theirKey, (key) => store.find(a.actor, resource, key))
  yield* ledger.blind(attempt("store", "find B's key among A's"), theirKey, (key) =>
    store.findMany(a.actor, resource, [key, ownKey])
  )
  yield* ledger.blind(attempt("repository", "get B's key"), theirKey, (key) => as(a)(repository.get(resource, key)))
  yield* ledger.blind(attempt("repository", "get B's key among A's"), theirKey, (key) =>
    as(a)(repository.getMany(resource, [key]))
  )
  yield* ledger.blind(attempt("interpreter", "find B's key"), theirKey, (key) => as(a)(interpreter.find(resource, key)))

  const streamed = attempt("repository", "stream all")
  const all = yield* ledger.ask(streamed, {}, Stream.runCollect(repository.stream(resource)).pipe(as(a)))
  onlyMine(streamed, all.value, true)
  const counted = yield* ledger.ask(attempt("repository", "count all"), {}, as(a)(repository.count(resource)))
  if (counted.value !== own.length) ledger.breach(attempt("repository", "count all"), `counts ${counted.text}`)

  for (const parameters of queries(resource, theirs)) {
    const name = JSON.stringify(parameters)
    const query = yield* Effect.fromResult(Query.parse(resource, parameters))
    const isAll = parameters.filters === undefined
    const pages: ReadonlyArray<readonly [Attempt, Effect.Effect<{ readonly items: unknown }, ActionFailure>]> = [
      [attempt("store", `list ${name}`), store.page(a.actor, resource, query)],
      [attempt("interpreter", `list ${name}`), as(a)(interpreter.list(resource, query))]
    ]
    let items = 0
    for (const [where, page] of pages) {
      const answer = yield* ledger.ask(where, parameters, page)
      if (!answer.ok) {
        if (where.door === "store") ledger.breach(where, `cannot be asked: ${answer.text}`)
        continue
      }
      const found = (answer.value as { readonly items: ReadonlyArray<unknown> }).items
      items = found.length
      onlyMine(where, found, isAll)
    }
    const where = attempt("store", `count ${name}`)
    const count = yield* ledger.ask(where, parameters, store.count(a.actor, resource, query))
    if (count.value !== items) ledger.breach(where, `counts ${count.text} where the list has ${items}`)
  }

  const theirPage = yield* Effect.fromResult(Query.parse(resource, { limit: "1" }))
  const { next } = yield* store.page(b.actor, resource, theirPage)
  if (next !== undefined) {
    const where = attempt("store", "go on from B's cursor")
    const after = yield* Effect.fromResult(Query.parse(resource, { after: next, limit: "500" }))
    const answer = yield* ledger.ask(where, theirKey, store.page(a.actor, resource, after))
    onlyMine(where, (answer.value as { readonly items: unknown } | undefined)?.items, false)
  }
})

/** Every operator on every field with B's values, and every order. */
const queries = (resource: Resource.Any, theirs: EncodedRow): ReadonlyArray<Query.Parameters> => {
  const columns = Query.queryable(resource)
  const valueOf = (field: string) => String(theirs[field] ?? "")
  return [
    ...columns.flatMap(({ field, nullable }) =>
      nullable ? [] : [field, `-${field}`].map((sort) => ({ sort, limit: "500" }))
    ),
    ...columns.flatMap(({ field }) => [
      { filters: [{ field, operator: "null", value: "false" }] },
      ...(theirs[field] === null || theirs[field] === undefined || valueOf(field).includes(",")
        ? []
        : Query.operators
            .filter((operator) => operator !== "null")
            .map((operator) => ({ filters: [{ field, operator, value: valueOf(field) }] })))
    ])
  ]
}

/** Every way to save and remove: by B's key, by B's natural keys, over B's references, as a copy of B's row. */
export const upserts = Effect.fnUntraced(function* (world: World, resource: Resource.Any) {
  const { a, b, data, ledger, registry, repository, store } = world
  const { theirKey, theirs } = sides(world, resource)
  const attempt = at(resource)
  const save = (where: Attempt, row: EncodedRow) => ledger.write(where, row, store.save(a.actor, resource, row))
  const forget = (made: Resource.Any, key: string) =>
    ledger.write(
      { ...attempt("store", "remove its own row"), resource: made.name },
      key,
      store.remove(a.actor, made, key)
    )

  yield* ledger.blind(attempt("store", "remove B's key"), theirKey, (key) => store.remove(a.actor, resource, key))
  yield* ledger.blind(attempt("repository", "delete B's key"), theirKey, (key) =>
    as(a)(repository.delete(resource, key))
  )

  /** Gives A rows of its own under the keys that B's references have, so that only the tenant keeps them apart. */
  const standIns = Effect.fnUntraced(function* (fields: ReadonlyArray<string>) {
    const made: Array<readonly [Resource.Any, string]> = []
    for (const { field, target } of Data.pointers(resource)) {
      const parent = registry.resource(target)
      const key = theirs[field]
      if (!fields.includes(field) || typeof key !== "string" || parent?.tenantScoped !== true || parent === resource)
        continue
      yield* data.saved(a, parent, { [parent.key]: key }).pipe(Effect.ignore)
      made.unshift([parent, key])
    }
    return made
  })

  /** Saves a row of A's that agrees with B's row in some fields; it must be a new row, and A's own. */
  const claim = Effect.fnUntraced(function* (what: string, fields: ReadonlyArray<string>) {
    const where = attempt("store", what)
    const made = yield* standIns(fields)
    const given = Object.fromEntries(
      fields
        // A new row begins in a state of its own.
        .filter((field) => theirs[field] !== null && !Transitions.fieldsOf(resource).includes(field))
        .map((field) => [field, theirs[field]])
    )
    const numbered = resource.columns.filter(({ field }) => Data.isNumbered(resource, field)).map(({ field }) => field)
    const row = {
      ...(yield* data.row(a, resource)),
      ...given,
      ...Object.fromEntries(numbered.map((each) => [each, 0]))
    }
    const mine = yield* Data.allRows(store, a.actor, resource).pipe(Effect.orElseSucceed(() => []))
    const taken = mine.some((each) =>
      uniques(resource).some((unique) => unique.every((field) => each[field] === row[field]))
    )
    const answer = yield* save(where, row)
    const standing = answer.value as EncodedRow | undefined
    if (!taken && (!answer.ok || Data.keyOf(resource, standing ?? {}) !== Data.keyOf(resource, row))) {
      ledger.breach(where, `meets B's row: ${answer.text}`)
    }
    if (!taken && answer.ok) {
      for (const { default: fill, field } of resource.columns) {
        const isFirst =
          fill?._tag === "Position" && fields.includes(fill.parent) && what.startsWith("take the first position")
        if ((isFirst || fill?._tag === "Version") && standing?.[field] !== 1) {
          ledger.breach(where, `goes on from B's ${field}: ${answer.text}`)
        }
      }
    }
    yield* forget(resource, Data.keyOf(resource, row))
    for (const [parent, key] of made) yield* forget(parent, key)
  })

  for (const { default: fill } of resource.columns) {
    if (fill?._tag === "Position") yield* claim(`take the first position in B's ${fill.parent}`, [fill.parent])
  }
  yield* claim("save under B's key", [resource.key])
  for (const fields of uniques(resource)) {
    if (fields.length === 1 && fields[0] === resource.key) continue
    yield* claim(`save with B's ${fields.join(", ")}`, fields)
  }
  yield* claim(
    "save a copy of B's row",
    resource.columns.map(({ field }) => field)
  )

  for (const { field, target } of Data.pointers(resource)) {
    const parent = registry.resource(target)
    const key = Data.firstKey(registry, b)(target)
    if (parent?.tenantScoped !== true || key === undefined) continue
    const where = attempt("store", `point ${field} at B's ${target}`)
    const row = yield* data.row(a, resource)
    const answer = yield* ledger.blind(where, key, (pointed) =>
      store.save(a.actor, resource, { ...row, [field]: pointed })
    )
    if (answer.ok) ledger.breach(where, `is possible: ${answer.text}`)
  }
})

/** The fields that no two rows of a tenant share, but for those that the store numbers. */
const uniques = (resource: Resource.Any): ReadonlyArray<ReadonlyArray<string>> =>
  [[resource.key], resource.conflict.on, ...Object.values(resource.identities)].filter(
    (fields) => !fields.some((field) => Data.isNumbered(resource, field))
  )

/** Every action, at every door in this process: on B's key, and on A's key with references to B's rows. */
export const actions = Effect.fnUntraced(function* (world: World, resource: Resource.Any, action: Action.Any) {
  const { a, b, data, ledger, registry, store } = world
  const { theirKey } = sides(world, resource)
  const attempt = at(resource)
  const ofA = Data.firstKey(registry, a)
  const ofB = Data.firstKey(registry, b)
  const input = yield* data.input(a, action, ofA)
  const forget = (key: string) =>
    ledger.write(attempt("store", "remove its own row"), key, store.remove(a.actor, resource, key))

  for (const [door, call] of callers(world, resource, action)) {
    const onTheirs = attempt(door, `${action.name} on B's key`)
    if (action.self === "required") {
      const answer = yield* ledger.blind(onTheirs, theirKey, (key) => call({ key, input }), input)
      if (answer.ok) ledger.breach(onTheirs, `succeeds: ${answer.text}`)
      if (resource.columns.some(({ default: fill }) => fill?._tag === "Version")) {
        yield* ledger.blind(onTheirs, theirKey, (key) => call({ key, input, expectedVersion: 1 }), input)
      }
    } else {
      yield* ledger.write(onTheirs, [theirKey, input], call({ key: theirKey, input }))
      yield* forget(theirKey)
    }

    const borrowed = yield* data.input(a, action, ofB)
    if (JSON.stringify(borrowed) === JSON.stringify(input)) continue
    for (const [what, references] of [
      ["references to B's rows", borrowed],
      ["keys of nobody's", yield* data.input(a, action, () => data.mark(b))]
    ] as const) {
      const mine = yield* data.saved(a, resource)
      const key = action.kind === "create" ? data.mark(a) : Data.keyOf(resource, mine)
      yield* ledger.write(attempt(door, `${action.name} with ${what}`), references, call({ key, input: references }))
    }
  }
})

/** What differs between calls of one action. */
interface Call {
  readonly key: string
  readonly input: Request["input"] & object
  readonly idempotencyKey?: string
  readonly expectedVersion?: number
  /** The runtime's own identity of the call, for the executor. */
  readonly receipt?: string
}
type Caller = (call: Call, party?: Data.Party) => Effect.Effect<Executed, ActionFailure>

const callers = (world: World, resource: Resource.Any, action: Action.Any): ReadonlyArray<readonly [Door, Caller]> => {
  const invocation = ({ receipt: _, ...call }: Call, party: Data.Party): Invocation => ({
    ...(call as Omit<Call, "input"> & { readonly input: Invocation["input"] }),
    resource: resource.name,
    action: action.name,
    actor: party.actor,
    origin: "internal",
    ...(call.idempotencyKey === undefined ? {} : { fingerprint: JSON.stringify(call.input) })
  })
  const writes = action.kind !== "read" && action.kind !== "stream"
  return [
    [
      "interpreter",
      ({ receipt: _, ...call }, party = world.a) =>
        as(party)(world.interpreter.perform({ ...call, resource: resource.name, action: action.name, reveal: true }))
    ],
    ...(action.kind === "stream" ? [["interpreter", streamed(world, resource, action)] as const] : []),
    ["executor", (call, party = world.a) => world.executor.execute(invocation(call, party), call.receipt)],
    ...(resource.durable && writes
      ? [["runtime", (call: Call, party = world.a) => world.runtime.invoke(invocation(call, party))] as const]
      : [])
  ]
}

/** A stream to its end, as what it came to. */
const streamed =
  (world: World, resource: Resource.Any, action: Action.Any): Caller =>
  ({ input, key }, party = world.a) =>
    as(party)(
      Effect.flatMap(
        world.interpreter.stream({ resource: resource.name, action: action.name, key, input, reveal: true }),
        Stream.runCollect
      )
    ).pipe(Effect.map((outputs) => ({ result: outputs, deliveries: [] })))

/** A key that B has used, at a door. */
interface Used {
  readonly resource: Resource.Any
  readonly action: Action.Any
  readonly door: Door
  readonly call: Caller
  readonly name: string
  readonly use: Partial<Call>
  readonly input: Call["input"]
  readonly answer: string | undefined
}

/** Has B do every action that writes, with idempotency keys and, where there is no door before it, with receipts. */
export const useKeys = Effect.fnUntraced(function* (world: World) {
  const { b, data, registry } = world
  const used: Array<Used> = []
  for (const resource of tenantScoped(world)) {
    for (const action of Object.values(resource.actions)) {
      if (action.kind === "read" || action.kind === "stream") continue
      for (const [door, call] of callers(world, resource, action)) {
        for (const name of door === "executor"
          ? (["idempotencyKey", "receipt"] as const)
          : (["idempotencyKey"] as const)) {
          // One for a different input, one for the same.
          for (let time = 0; time < 2; time++) {
            const use = { [name]: data.mark(b) }
            const input = yield* data.input(b, action, Data.firstKey(registry, b))
            const row = yield* data.saved(b, resource)
            const key = action.kind === "create" ? data.mark(b) : Data.keyOf(resource, row)
            const exit = yield* Effect.exit(call({ key, input, ...use }, b))
            const answer = exit._tag === "Success" ? JSON.stringify(exit.value) : undefined
            used.push({ resource, action, door, call, name, use, input, answer })
          }
        }
      }
    }
  }
  return used
})

/** Something that was made for one execution and that another would make anew. */
const newId = /[0-9a-f]{8}-[0-9a-f]{4}-7/

/** The keys and receipts that B has used: for A they are as good as new. */
export const receipts = Effect.fnUntraced(function* (world: World, used: ReadonlyArray<Used>) {
  const { a, data, ledger, registry } = world
  for (const [index, { action, answer: theirs, call, door, input: given, name, resource, use }] of used.entries()) {
    const isSame = index % 2 === 1
    const where = at(resource)(door, `${action.name} with B's ${name} and ${isSame ? "the same" : "another"} input`)
    const input = isSame ? given : yield* data.input(a, action, Data.firstKey(registry, a))
    if (isSame) ledger.tell(given)
    const mine = yield* data.saved(a, resource)
    const key = action.kind === "create" ? data.mark(a) : Data.keyOf(resource, mine)
    const answer = yield* ledger.write(where, [input, use], call({ key, input, ...use }))
    if (answer.tag === "IdempotencyKeyReused") ledger.breach(where, "is told that the key was used")
    if (answer.text === theirs && newId.test(theirs)) ledger.breach(where, `gets B's answer: ${answer.text}`)
  }
})

/** What A has delivered to B's objects reaches objects of A's that have the same keys. */
export const deliveries = Effect.fnUntraced(function* (world: World) {
  const { a, b, data, ledger, registry, runtime } = world
  for (const resource of tenantScoped(world)) {
    const { theirKey } = sides(world, resource)
    for (const action of Object.values(resource.actions)) {
      if (action.kind === "read" || action.kind === "stream" || !resource.durable) continue
      const input = yield* data.input(a, action, Data.firstKey(registry, b))
      const send = {
        _tag: "Send",
        resource: resource.name,
        action: action.name,
        key: theirKey,
        input,
        delayMillis: 0
      } as const
      const where = {
        door: "runtime",
        resource: resource.name,
        what: `have ${action.name} delivered to B's key`
      } as const
      yield* ledger.write(where, [theirKey, input], runtime.deliver(a.actor, send, data.mark(a)))
    }
  }
})

/** B's rows go on being numbered from where they were. */
export const numbering = Effect.fnUntraced(function* (world: World, resource: Resource.Any) {
  for (const { default: fill, field } of resource.columns) {
    if (fill?._tag !== "Position") continue
    const { theirs } = sides(world, resource)
    const rows = yield* Data.allRows(world.store, world.b.actor, resource)
    const last = Math.max(
      ...rows.filter((row) => row[fill.parent] === theirs[fill.parent]).map((row) => Number(row[field]))
    )
    const next = yield* world.data.saved(world.b, resource, { [fill.parent]: theirs[fill.parent] })
    if (next[field] !== last + 1) {
      const where = { door: "store", resource: resource.name, what: "number B's next row" } as const
      world.ledger.breach(where, `B's ${field} goes from ${last} to ${next[field]}`)
    }
  }
})
