import { Transport } from "@tenon/messaging/Transport"
import { type HopKey, HopStore } from "@tenon/routing-slip/HopStore"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"

const together = Layer.unwrap(
  Effect.map(SlipDatabase.make, ({ roles, url }) =>
    Layer.mergeAll(SlipTransport.over(url, roles), SlipStore.over(url, roles))
  )
)

let slips = 0
const newKey = (tenantId = "tenant-a"): HopKey => ({
  tenantId,
  correlationId: `joint${++slips}`,
  step: "1",
  phase: "execute"
})
const message = (id: string) => ({ queue: "joint", id, body: new TextEncoder().encode(id) })
const event = (type: "executed" | "dispatched") => ({ type, step: "1", activity: "a", detail: "", at: 1 })
const slipOf = ({ correlationId, tenantId }: HopKey, activity = "a") => {
  return { tenantId, correlationId, status: "executing", activity, updatedAt: 1, body: new Uint8Array([1]) } as const
}

const claim = Effect.fnUntraced(function* (key: HopKey) {
  const store = yield* HopStore
  const incoming = message(`${key.correlationId} in`)
  const claimed = yield* store.claim(key, { digest: "d", index: undefined, branch: "", incoming }, 30_000)
  assert.strictEqual(claimed._tag, "Claimed")
  return { key, token: claimed._tag === "Claimed" ? claimed.token : 0 }
})

layer(together, { excludeTestServices: true, timeout: "30 seconds" })("a store and queues in one database", (it) => {
  it.effect(
    "publish what is stored in the same transaction, whosever slips go along, and nothing of a lost claim",
    () =>
      Effect.gen(function* () {
        const store = yield* HopStore
        const transport = yield* Transport
        const arrived = yield* Queue.unbounded<string>()
        yield* transport.subscribe("joint", ({ id }) => Effect.as(Queue.offer(arrived, id), { _tag: "Ack" as const }))

        const keys = [newKey(), newKey("tenant-b"), newKey(), newKey("tenant-b"), newKey()]
        const held = yield* Effect.forEach(keys, claim, { concurrency: "unbounded" })
        const outcomes = yield* Effect.forEach(
          held,
          ({ key, token }, index) =>
            store
              .complete(
                // The third has lost its claim; the fourth says what PostgreSQL cannot store.
                { key, token: index === 2 ? token + 1 : token },
                {
                  outgoing: message(key.correlationId),
                  event: event("executed"),
                  slip: slipOf(key, index === 3 ? "\0" : "a")
                },
                transport
              )
              .pipe(
                Effect.map(String),
                Effect.catch(({ _tag }) => Effect.succeed(_tag))
              ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(outcomes, ["true", "true", "Fenced", "Unavailable", "true"])
        const first = newKey()
        const open = store.open(slipOf(first), message(first.correlationId), event("dispatched"), transport)
        assert.deepStrictEqual([yield* open, yield* open], ["sent", "known"])

        const wanted = [keys[0], keys[1], keys[4], first].map((key) => key?.correlationId)
        const found = yield* Effect.forEach(wanted, () => Queue.take(arrived))
        assert.deepStrictEqual(found.toSorted(), wanted.toSorted())
        assert.deepStrictEqual(yield* store.pending(10, 0), [], "nothing is left to be published")
        assert.strictEqual(yield* Queue.size(arrived), 0)
      }).pipe(Effect.scoped)
  )

  it.effect("give one step to one of many that want it at once", () =>
    Effect.gen(function* () {
      const store = yield* HopStore
      const keys = Array.from({ length: 20 }, () => newKey())
      const wanted = [...keys, ...keys.toReversed(), ...keys]
      const claims = yield* Effect.forEach(
        wanted,
        (key) => store.claim(key, { digest: "d", index: undefined, branch: "", incoming: message("in") }, 30_000),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(claims.filter(({ _tag }) => _tag === "Claimed").length, keys.length)
      assert.strictEqual(claims.filter(({ _tag }) => _tag === "Parked").length, 2 * keys.length)
      const fork = { digest: "other", index: undefined, branch: "", incoming: message("in") }
      assert.strictEqual((yield* store.claim(newKey(), fork, 30_000))._tag, "Claimed")
      assert.strictEqual((yield* store.claim(keys[0] ?? newKey(), fork, 30_000))._tag, "Forked")
    })
  )
})
