/** A worker over PostgreSQL alone, with short leases, for tests that stop its process for longer than these. */
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Registry from "@tenon/routing-slip/Registry"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SlipStore from "./SlipStore.ts"
import * as SlipTransport from "./SlipTransport.ts"

/** Says which step it does, takes its time, and says so. */
export const lingers = Activity.make("lingers", {
  arguments: {},
  log: { by: Schema.Int },
  execute: Effect.fnUntraced(function* () {
    const { idempotencyKey } = yield* ActivityContext
    yield* Effect.sync(() => process.stdout.write(`begun ${idempotencyKey}\n`))
    yield* Effect.sleep("150 millis")
    return { by: process.pid }
  }),
  compensate: () => Effect.void
})
export const registry = Registry.make(lingers)

if (import.meta.main) {
  const { roles, url }: { readonly url: string; readonly roles: SlipStore.Roles } = JSON.parse(process.argv[2] ?? "")
  const worker = Worker.layer(registry, {
    lease: "600 millis",
    prefetch: 8,
    relay: { interval: "100 millis", grace: "600 millis" }
  }).pipe(
    Layer.provide([
      Security.layerUnsigned,
      SlipStore.over(url, roles),
      SlipTransport.over(url, roles, { visibility: "600 millis" })
    ])
  )
  await Effect.runPromise(
    Effect.andThen(
      Effect.sync(() => process.stdout.write("starting\n")),
      Layer.launch(worker)
    )
  )
}
