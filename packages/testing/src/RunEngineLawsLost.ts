/**
 * Runs whose workers are never heard of again: a program that goes round for ever without a wait stops its process, and
 * so does one that takes all of its memory. It may stop a few, one after the other, and then it is set aside.
 */
import * as Durable from "@tenon/core/Durable"
import type { RunJournal } from "@tenon/core/RunJournal"
import { RunStore } from "@tenon/core/RunStore"
import { assert } from "@effect/vitest"
import type * as Vitest from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import {
  becomes,
  begin,
  engine,
  own,
  put,
  type Program,
  type Run,
  standing,
  step,
  until
} from "./RunEngineLawsWorld.ts"

const lease = { lease: "150 millis" } as const

/** Declares the tests in a suite over a store. */
export const lostLaws = (it: Vitest.Vitest.MethodsNonLive<RunStore | RunJournal>): void => {
  /** How often each run was begun, by its key. */
  const begun = new Map<string, number>()

  /** An engine whose process stops for good as soon as it goes on with `deadly`. */
  const mortal = Effect.fnUntraced(function* (deadly: Run, program: Program) {
    let dead = false
    const alive = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => (dead ? Effect.never : effect))
    yield* engine(deadly, program, lease, (store) => ({
      ...store,
      claim: (asked) => alive(store.claim(asked)),
      look: (claims) => alive(store.look(claims)),
      renew: (claims, millis) => alive(store.renew(claims, millis)),
      mail: (claim) => alive(store.mail(claim)),
      write: (...write) => Effect.suspend(() => (dead ? Effect.interrupt : store.write(...write))),
      read: (claim) =>
        alive(
          Effect.suspend(() => {
            begun.set(claim.key, (begun.get(claim.key) ?? 0) + 1)
            if (claim.key !== deadly.key) return store.read(claim)
            dead = true
            return Effect.never
          })
        )
    }))
    return () => dead
  })

  /**
   * One of them after the other, until it is set aside: by the fourth, where nothing is slow. On a busy machine one may
   * have renewed its lease before it dies, and then it does not count; or the lease of one may end that lives.
   */
  const setAside = Effect.fnUntraced(function* (deadly: Run, program: Program) {
    for (let count = 1; count <= 6; count++) {
      const isDead = yield* mortal(deadly, program)
      const look = Effect.map(standing(deadly), (each) => each?.status === "paused")
      const isPaused = yield* Effect.repeat(look, {
        until: (paused) => paused || isDead(),
        schedule: Schedule.spaced("5 millis")
      })
      if (isPaused) break
    }
    const problem = yield* becomes(deadly, "paused")
    assert.match(problem ?? "", /lost ([3-9]|\d\d) times/)
    return begun.get(deadly.key)
  })

  it.effect("one that stops every process which goes on with it is set aside, and the others go on", () =>
    Effect.gen(function* () {
      const deadly = own()
      const others = Array.from({ length: 5 }, (_, index) => ({ ...deadly, key: `${deadly.key} beside ${index}` }))
      const release = Promise.withResolvers<void>()
      const program = step(
        "long",
        Effect.promise(() => release.promise)
      )
      const { resume } = yield* RunStore
      for (const run of [...others.slice(0, 3), deadly, ...others.slice(3)]) {
        yield* put(run)
      }
      yield* setAside(deadly, program)
      release.resolve()
      for (const run of others) yield* becomes(run, "done")
      // Once it is mended it goes on.
      yield* resume(deadly)
      yield* engine(deadly, step("mended", Effect.void))
      yield* becomes(deadly, "done")
    }).pipe(Effect.scoped)
  )

  it.effect("one that was set aside so is not begun again to be cancelled", () =>
    Effect.gen(function* () {
      const deadly = own()
      const { cancel } = yield* RunStore
      const program = Effect.flatMap(Durable.Durable, (durable) => durable.signal("go"))
      yield* put(deadly)
      const times = yield* setAside(deadly, program)
      yield* cancel(deadly)
      yield* becomes(deadly, "cancelled")
      assert.strictEqual(begun.get(deadly.key), times)
    }).pipe(Effect.scoped)
  )

  it.effect("one that comes back now and then is none of these, however often its worker is lost", () =>
    Effect.gen(function* () {
      const run = own()
      const program = Effect.gen(function* () {
        for (const name of ["one", "two", "three", "four", "five"]) {
          yield* step(name, Effect.void)
          // The process dies here, each time.
          yield* step(
            `${name} and its end`,
            Effect.suspend(() => (yet(name) ? Effect.never : Effect.void))
          )
        }
      })
      const died = new Set<string>()
      const yet = (name: string) => !died.has(name) && died.add(name) !== undefined
      for (let count = 1; count <= 5; count++) {
        let dead = false
        const made = yield* engine(run, program, lease, (store) => ({
          ...store,
          claim: (asked) => Effect.suspend(() => (dead ? Effect.never : store.claim(asked))),
          look: (claims) => Effect.suspend(() => (dead ? Effect.never : store.look(claims))),
          renew: (claims, millis) => Effect.suspend(() => (dead ? Effect.never : store.renew(claims, millis)))
        }))
        if (count === 1) yield* begin(made, run)
        yield* until(`death ${count}`, () => died.size === count)
        dead = true
      }
      yield* engine(run, program, lease)
      yield* becomes(run, "done")
      assert.isUndefined((yield* standing(run))?.problem)
    }).pipe(Effect.scoped)
  )
}
