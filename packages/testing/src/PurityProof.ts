/**
 * The proof that actions are what they say: each is run over drawn rows and inputs, twice, and must name nothing that
 * its `touches` does not, make no value of the wrong shape, throw nothing, fail only as declared, take nothing from the
 * world, and answer the same question alike. `PurityCheck` of `@tenon/core` says what that shows and what it cannot.
 *
 * `purityProof("mine", { registry })` declares a test for each action; `PurityCheck.check` gives the report as data.
 */
import * as PurityCheck from "@tenon/core/PurityCheck"
import type * as Registry from "@tenon/core/Registry"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

/** How to prove it. */
export interface Options extends PurityCheck.Options {
  readonly registry: Registry.Registry
  /**
   * Fails where something declared was never seen: a failure, a touch. Default false, since a rare branch may need
   * more runs or a test of its own.
   */
  readonly exhaustive?: boolean
  /** Milliseconds. Default one minute. */
  readonly timeout?: number
}

/** Declares the proof as tests, one for each action. */
export const purityProof = (name: string, options: Options): void => {
  const { exhaustive = false, registry, timeout = 60_000 } = options
  let report: Promise<PurityCheck.Report> | undefined
  const looked = () => (report ??= Effect.runPromise(PurityCheck.check(registry, options)))
  describe(`actions are pure: ${name}`, () => {
    for (const resource of registry.resources) {
      for (const action of Object.keys(resource.actions)) {
        const place = `${resource.name}.${action}`
        it(`${place}`, { timeout }, async () => {
          const { actions, faults } = await looked()
          assert.deepStrictEqual(
            faults.filter((each) => each.action === place),
            []
          )
          const unseen = actions.find((each) => each.action === place)?.unseen ?? []
          if (exhaustive) assert.deepStrictEqual(unseen, [], "declared, and no drawn value led there")
        })
      }
    }
  })
}
