/** How the laws of a store call it. */
import type { Actor } from "@tenon/core/Actor"
import * as Executor from "@tenon/core/Executor"
import type { ActionFailure } from "@tenon/core/Failure"
import type { Executed, Invocation } from "@tenon/core/Invocation"
import * as Query from "@tenon/core/Query"
import * as RowMark from "@tenon/core/RowMark"
import type * as Repository from "@tenon/core/Repository"
import type * as Resource from "@tenon/core/Resource"
import type { Receipts } from "@tenon/core/Receipts"
import { RowStore } from "@tenon/core/RowStore"
import type { EncodedRow, Outbox, UnitOfWork } from "@tenon/core/UnitOfWork"
import type { Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { Account, Line, Post, Topic } from "./RepositoryLawsDomain.ts"
import * as Testing from "./Testing.ts"

/** What the laws of a store need, and where they are declared. */
export type It = Vitest.MethodsNonLive<
  Executor.Executor | Repository.Repository | RowStore | Outbox | Receipts | UnitOfWork
>

/** The actor that laws are tried by unless they say another. */
export const a = Testing.actor({ tenantId: "tenant-a" })
/** An actor of another tenant, alike but for it. */
export const b = Testing.actor({ tenantId: "tenant-b" })

/** What a law may say of a call beyond its action. */
export interface Call {
  readonly by?: Actor
  readonly input?: Schema.Json
  readonly receipt?: string
  readonly caller?: { readonly key: string; readonly fingerprint: string }
  readonly expectedVersion?: Invocation["expectedVersion"]
}

/** Executes an action, as a door's call. */
export const execute = (resource: Resource.Any, action: string, key: string, call: Call = {}) =>
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

/** The version at which the object's row stands after an execution. */
export const versionOf = ({ mark = "" }: Executed) => RowMark.versionIn(mark)

/** What an execution gives. */
export const result = (resource: Resource.Any, action: string, key: string, call?: Call) =>
  Effect.map(execute(resource, action, key, call), (executed) => executed.result)

/** The failure with its own fields. */
export const failureOf = <A, R>(effect: Effect.Effect<A, ActionFailure, R>) =>
  Effect.map(Effect.flip(effect), (failure): { readonly [field: string]: unknown } => ({
    ...failure,
    _tag: failure._tag
  }))

/** The tag of the failure. */
export const refused = <A, R>(effect: Effect.Effect<A, ActionFailure, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

/** The row that a store has under a key. */
export const find = (resource: Resource.Any, key: string, by = a) =>
  Effect.flatMap(RowStore, (store) => store.find(by, resource, key))

/** Removes a row past any action. */
export const remove = (resource: Resource.Any, key: string, by = a) =>
  Effect.flatMap(RowStore, (store) => store.remove(by, resource, key))

/** Saves a row past any action. */
export const save = (resource: Resource.Any, row: EncodedRow, by = a) =>
  Effect.flatMap(RowStore, (store) => store.save(by, resource, row))

/** How many rows there are, with a field at a value where one is named. */
export const count = (resource: Resource.Any, field?: string, value?: string, by = a) =>
  Effect.gen(function* () {
    const filters = field === undefined ? [] : [{ field, operator: "eq", value: value ?? "" }]
    const query = yield* Effect.fromResult(Query.parse(resource, { filters }))
    return yield* (yield* RowStore).count(by, resource, query)
  })

/** Runs effects at once and gives their results in order. */
export const together = <A, E, R>(times: number, each: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.all(
    Array.from({ length: times }, (_, index) => each(index)),
    { concurrency: "unbounded" }
  )

/** Posts to a topic: its answer is the post's position. */
export const post = (topic: string, key: string, by = a) =>
  result(Topic, "post", topic, { by, input: { key, text: key } })

/** Saves a post without its topic's lock. */
export const saveFor = (id: string, key: string) => save(Post, { id, topicId: "direct", key, text: key, position: 0 })

/** Saves a numbered line. */
export const line = (id: string, slot: string, text: string) => save(Line, { id, page: "p", slot, text, number: 0 })

/** Makes an account under one caller's key. */
export const createOnce = (key: string, fingerprint: string, by = a) =>
  execute(Account, "create", key, { by, input: { name: key }, caller: { key: "reused", fingerprint } })

/** 1 up to a number. */
export const numbers = (to: number) => Array.from({ length: to }, (_, index) => index + 1)
/** Numbers in their order. */
export const sorted = (values: ReadonlyArray<unknown>) => values.toSorted((x, y) => Number(x) - Number(y))
