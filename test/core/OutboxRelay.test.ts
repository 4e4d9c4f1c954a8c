import * as OutboxRelay from "@tenon/core/OutboxRelay"
import { Receipts } from "@tenon/core/Receipts"
import { Runtime } from "@tenon/core/Runtime"
import { Outbox } from "@tenon/core/UnitOfWork"
import { eventually } from "@tenon/testing/Testing"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const runtime = Runtime.of({
  deliver: () => Effect.void,
  invoke: () => Effect.die("nothing is asked for"),
  forget: () => Effect.void,
  isAlive: () => Effect.succeed(false),
  cancel: () => Effect.void,
  resume: () => Effect.void
})

it.live("a relay goes on after a drain that has a bug", () =>
  Effect.gen(function* () {
    let drains = 0
    const outbox = Outbox.of({
      drain: () => Effect.suspend(() => (++drains === 1 ? Effect.die(new Error("a bug")) : Effect.succeed(0))),
      awaitWork: Effect.sleep("10 millis"),
      depth: Effect.succeed(0)
    })
    yield* Layer.build(
      OutboxRelay.layer.pipe(
        Layer.provide(Layer.succeed(Outbox, outbox)),
        Layer.provide(Layer.succeed(Runtime, runtime)),
        Layer.provide(Layer.succeed(Receipts, { purge: () => Effect.succeed(0) }))
      )
    )
    yield* eventually(
      Effect.sync(() => drains),
      (count) => count > 2
    )
  }).pipe(Effect.scoped)
)
