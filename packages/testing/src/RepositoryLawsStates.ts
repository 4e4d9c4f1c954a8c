/** State machines: whoever saves a row, it moves from the state that stands in the store. */
import { CurrentActor } from "@tenon/core/Actor"
import * as Repository from "@tenon/core/Repository"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { a, execute, failureOf, find, type It, save, together } from "./RepositoryLawsCalls.ts"
import { Bolt, Gate, Guard, Lock, Seal } from "./RepositoryLawsDomain.ts"

type State = "NEW" | "OPEN" | "CLOSED" | null

const move = (key: string, to: State) => execute(Gate, "move", key, { input: { to } })
const create = (key: string) => execute(Gate, "create", key, { input: { status: "NEW" } })
const stateOf = (key: string) => Effect.map(find(Gate, key), (row) => row?.["status"])

/** Declares them. */
export const declare = (it: It): void => {
  it.effect("an action moves its own row along its states, step by step", () =>
    Effect.gen(function* () {
      const all = (own: ReadonlyArray<State>, others: ReadonlyArray<string> = [], to: State = "NEW") =>
        execute(Gate, "moveAll", "steps", { input: { own, others, to } })
      yield* create("steps")
      assert.deepInclude(yield* failureOf(move("steps", "CLOSED")), { _tag: "InvalidTransition", from: "NEW" })
      assert.deepInclude(yield* failureOf(move("steps", null)), { _tag: "InvalidTransition", from: "NEW", to: "" })
      yield* move("steps", "NEW")
      assert.deepInclude(yield* failureOf(all(["OPEN", "NEW", "CLOSED"])), { from: "NEW", to: "CLOSED" })
      assert.strictEqual(yield* stateOf("steps"), "NEW")
      // Through another save of the same row in the same outcome.
      yield* all(["OPEN", "NEW", "OPEN"], ["steps"], "CLOSED")
      assert.strictEqual(yield* stateOf("steps"), "CLOSED")
      assert.deepInclude(yield* failureOf(all([], ["steps"], "NEW")), { from: "CLOSED", to: "NEW" })
    })
  )

  it.effect("another row of the resource moves from its own state, not from that of the action's row", () =>
    Effect.gen(function* () {
      for (const key of ["one", "two"]) yield* create(key)
      yield* move("one", "OPEN")
      const from = (key: string, other: string, to: State) =>
        execute(Gate, "moveAll", key, { input: { own: [], others: [other], to } })
      assert.deepStrictEqual(yield* failureOf(from("one", "two", "CLOSED")), {
        _tag: "InvalidTransition",
        resource: "LawGate",
        field: "status",
        from: "NEW",
        to: "CLOSED"
      })
      yield* from("two", "one", "CLOSED")
      assert.deepStrictEqual([yield* stateOf("one"), yield* stateOf("two")], ["CLOSED", "NEW"])
    })
  )

  for (const [what, resource] of [
    ["gate", Gate],
    ["lock", Lock],
    ["bolt", Bolt]
  ] as const) {
    it.effect(`another resource's action and the repository are held to the states of a ${what}`, () =>
      Effect.gen(function* () {
        const repository = yield* Repository.Repository
        const id = `held ${what}`
        const key = what === "gate" ? id : `${what} ${id}`
        const put = (to: State, receipt?: string) =>
          execute(Guard, "put", "guard", { input: { what, id, to }, ...(receipt === undefined ? {} : { receipt }) })
        const begun = yield* failureOf(put("OPEN"))
        assert.deepInclude(begun, { _tag: "InvalidTransition", resource: resource.name, from: "", to: "OPEN" })
        assert.isUndefined(yield* find(resource, key))
        yield* put("NEW")
        yield* put("NEW")
        assert.deepInclude(yield* failureOf(put("CLOSED")), { _tag: "InvalidTransition", from: "NEW", to: "CLOSED" })
        assert.deepInclude(yield* failureOf(put(null)), { _tag: "InvalidTransition", from: "NEW", to: "" })
        yield* put("OPEN", `open ${what}`)
        yield* put("CLOSED")
        // A receipt counts before the refusal that its work would meet now.
        yield* put("OPEN", `open ${what}`)
        const row = yield* find(resource, key)
        assert.strictEqual(row?.["status"], "CLOSED")
        for (const status of ["NEW", "OPEN", null] as const) {
          const failure = yield* failureOf(save(resource, { ...row, status }))
          assert.deepInclude(failure, { _tag: "InvalidTransition", from: "CLOSED", to: status ?? "" })
        }
        const saved = yield* save(resource, { ...row, status: "CLOSED" })
        assert.strictEqual(saved["status"], "CLOSED")
        if (what === "gate") {
          const typed = repository.save(Gate, { id: "typed", status: "CLOSED" })
          assert.deepInclude(yield* failureOf(typed), { _tag: "InvalidTransition", from: "", to: "CLOSED" })
          yield* repository.save(Gate, { id: "typed" })
          yield* repository.save(Gate, { id: "typed", status: "OPEN" })
          assert.deepInclude(yield* failureOf(repository.save(Gate, { id: "typed", status: null })), { from: "OPEN" })
        } else {
          const stale = save(resource, { ...row, status: "NEW", version: 1 })
          assert.deepInclude(yield* failureOf(stale), { _tag: "VersionConflict", expected: 1 })
        }
      }).pipe(Effect.provideService(CurrentActor, a))
    )
  }

  it.effect("a row without a state may begin, and one that stays with the first is never moved", () =>
    Effect.gen(function* () {
      yield* save(Gate, { id: "blank", status: null })
      assert.deepInclude(yield* failureOf(move("blank", "CLOSED")), { from: "", to: "CLOSED" })
      const outside = execute(Guard, "put", "guard", { input: { what: "gate", id: "blank", to: "OPEN" } })
      assert.deepInclude(yield* failureOf(outside), { from: "", to: "OPEN" })
      yield* move("blank", "NEW")
      const seal = (status: State) => save(Seal, { id: `seal ${status}`, gate: "sealed", status })
      assert.deepInclude(yield* failureOf(seal("OPEN")), { _tag: "InvalidTransition", from: "", to: "OPEN" })
      const first = yield* seal("NEW")
      assert.deepStrictEqual(yield* seal("OPEN"), first)
    })
  )

  it.effect("of many who move a row at once, those go who find it in a state to go from", () =>
    Effect.gen(function* () {
      yield* create("race")
      const put = (to: State, index: number) =>
        Effect.result(execute(Guard, "put", `guard ${index}`, { input: { what: "gate", id: "race", to } }))
      yield* move("race", "OPEN")
      const ends = yield* together(20, (index) => put(index % 2 === 0 ? "NEW" : "CLOSED", index))
      const tags = ends.flatMap((each) => (each._tag === "Failure" ? [each.failure._tag] : []))
      assert.isTrue(tags.length > 0 && tags.every((each) => each === "InvalidTransition"), tags.join())
      assert.include(["NEW", "CLOSED"], yield* stateOf("race"))
    })
  )
}
