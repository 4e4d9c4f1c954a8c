/**
 * A small run of what `npm run fault` does with the foundation: each of its faults once, under one load and over one
 * set of servers, and the ledger at the end.
 */
import * as Fault from "@tenon/examples/fault/Fault"
import { aimed } from "@tenon/examples/fault/Serving"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"

const command = aimed(resolve(import.meta.dirname, "../../packages/examples/tenon.config.ts"))

it.live(
  "the application, Restate and PostgreSQL are killed under load, and nothing is lost, done twice or stuck",
  () =>
    Effect.gen(function* () {
      const struck: Array<string> = []
      const { accepted, ok, problems } = yield* Fault.run(
        {
          name: "one of each",
          strike: (cluster, address) =>
            Effect.forEach(
              Fault.scenarios,
              ({ name, strike }) =>
                strike(cluster, address).pipe(
                  Effect.tap(() => Effect.sync(() => struck.push(name))),
                  Effect.delay("500 millis")
                ),
              { discard: true }
            )
        },
        { command, strikes: 1, progress: () => {} }
      )
      assert.deepStrictEqual(problems, [])
      assert.isTrue(ok)
      assert.isAbove(accepted, 8)
      assert.lengthOf(struck, 5)
    }),
  180_000
)
