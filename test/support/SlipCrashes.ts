/** What the crashing worker and its test share. */
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import type { PrivateKey, PublicKey } from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Roles } from "./SlipStore.ts"

/** What a worker process is told. */
export interface ChildOptions {
  readonly transport: "Redis" | "RabbitMQ" | "PostgreSQL"
  readonly brokerUrl: string
  readonly prefix: string
  readonly databaseUrl: string
  readonly roles: Roles
  readonly signing: PrivateKey
  readonly jwks: { readonly keys: ReadonlyArray<PublicKey> }
}

/** The world outside: it knows an idempotency key that it has seen, and counts how often it came. */
export class Effects extends Context.Service<Effects, { readonly apply: (key: string) => Effect.Effect<void> }>()(
  "test/Effects"
) {}

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {}

const apply = Effect.gen(function* () {
  const { idempotencyKey } = yield* ActivityContext
  yield* (yield* Effects).apply(idempotencyKey)
})

export const does = Activity.make("does", {
  arguments: {},
  log: { done: Schema.Boolean },
  execute: () => Effect.as(apply, { done: true }),
  compensate: () => apply
})

export const ends = Activity.make("ends", {
  arguments: { well: Schema.Boolean },
  execute: ({ well }) => (well ? apply : Effect.fail(new Refusal()))
})

export const registry = Registry.make(does, ends, ScatterGather.activity)
