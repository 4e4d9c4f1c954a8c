/** A worker whose process is stopped for longer than its leases, as by a full machine, and then goes on. */
import { Transport } from "@tenon/messaging/Transport"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import { lingers, registry } from "../support/paused-worker-child.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { settled, story } from "../support/Slips.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const child = join(import.meta.dirname, "../support/paused-worker-child.ts")

it.live(
  "a worker that was paused past its leases on PostgreSQL writes nothing more of what others have done meanwhile",
  () =>
    Effect.gen(function* () {
      const database = yield* SlipDatabase.make
      const { roles, url } = database
      const args = [child, JSON.stringify(database)]
      const [first, second] = yield* Effect.all([TenonProcess.node(args), TenonProcess.node(args)])
      yield* Effect.gen(function* () {
        const three = RoutingSlip.builder(registry).pipe(
          RoutingSlip.add(lingers, {}),
          RoutingSlip.add(lingers, {}),
          RoutingSlip.add(lingers, {})
        )
        const slips = yield* Effect.forEach(Array.from({ length: 30 }), () => RoutingSlip.dispatch(three), {
          concurrency: 5
        })
        for (const each of [first, second]) {
          while (!each.said.stdout.includes("begun")) yield* Effect.sleep("10 millis")
          each.child.kill("SIGSTOP")
          yield* Effect.sleep("1500 millis")
          each.child.kill("SIGCONT")
        }
        for (const slip of slips) {
          assert.strictEqual((yield* settled(slip))?.status, "completed")
          assert.deepStrictEqual(yield* story(slip), ["dispatched 0", "executed 1", "executed 2", "executed 3"])
        }
        assert.deepStrictEqual(yield* (yield* Transport).deadLetters(lingers.queue), [])
        const begun = `${first.said.stdout}${second.said.stdout}`.match(/^begun .*/gm) ?? []
        assert.isAbove(begun.length, new Set(begun).size, "some step was taken over")
      }).pipe(Effect.provide(Layer.merge(SlipTransport.over(url, roles), SlipStore.over(url, roles))))
    }),
  60_000
)
