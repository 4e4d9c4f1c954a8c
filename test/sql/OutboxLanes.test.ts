import * as OutboxLanes from "@tenon/sql/OutboxLanes"
import { Places } from "@tenon/sql/OutboxPlaces"
import { Work } from "@tenon/sql/OutboxWork"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

const row = (id: number, object: string, committed: string, free = true) => ({
  id: String(id),
  tenantId: "t",
  object,
  committed,
  free
})

const leave = (lanes: OutboxLanes.Lanes, of: OutboxLanes.InLanes, turn: OutboxLanes.Turn) => {
  lanes.leave(of, turn)
  const { commit, object } = lanes.next(of)
  return [object.id, commit.id]
}

const over = (turn: OutboxLanes.Turn, isOver: boolean) => {
  turn.end(isOver)
  turn.tell()
}

describe("the lanes of deliveries", () => {
  it("what was looked at goes, but for what comes behind one to its object that does not", () => {
    const { behind, going } = OutboxLanes.part([
      row(1, "x", "A", false),
      row(2, "y", "A"),
      row(3, "y", "B"),
      row(4, "z", "B"),
      row(5, "w", "C"),
      row(6, "x", "C"),
      row(7, "v", "D")
    ])
    assert.deepStrictEqual(
      going.map(({ id }) => id),
      ["2", "3", "4", "5", "7"]
    )
    assert.deepStrictEqual(
      behind.map(({ by, of }) => [of.id, by]),
      [["6", "1"]]
    )
  })

  it("the same object of another tenant is in another lane", () => {
    const other = { ...row(2, "x", "A"), tenantId: "u" }
    assert.deepStrictEqual(OutboxLanes.part([row(1, "x", "A", false), other]).going, [other])
  })

  it.effect("a turn comes once both before it are over, and never behind one to its object that is not to be", () =>
    Effect.gen(function* () {
      const lanes = new OutboxLanes.Lanes()
      const [x, y, both, next] = [row(1, "x", "A"), row(2, "y", "B"), row(3, "x", "B"), row(4, "x", "C")]
      const [first, second, third, fourth] = [x, y, both, next].map((each) => lanes.join(each))
      assert.isDefined(first && second && third && fourth)
      const comes = yield* Effect.forkChild(third!.comes, { startImmediately: true })
      lanes.leave(x, first!)
      over(first!, true)
      yield* Effect.yieldNow
      assert.isUndefined(comes.pollUnsafe())
      lanes.leave(y, second!)
      over(second!, true)
      assert.isUndefined(yield* Fiber.join(comes))
      // Others are in its object's lane, and none in its commit's.
      assert.deepStrictEqual(leave(lanes, both, third!), ["4", undefined])
      over(third!, false)
      assert.strictEqual(yield* fourth!.comes, "3")
      assert.deepStrictEqual(leave(lanes, next, fourth!), [undefined, undefined])
    })
  )

  it.effect("a turn comes once the one before it in its commit was tried, and those before that one are over", () =>
    Effect.gen(function* () {
      const lanes = new OutboxLanes.Lanes()
      const [slow, failing, last] = [row(1, "x", "A"), row(2, "y", "A"), row(3, "z", "A")].map((each) =>
        lanes.join(each)
      )
      const comes = yield* Effect.forkChild(last!.comes, { startImmediately: true })
      const tried = yield* Effect.forkChild(failing!.comes, { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(tried.pollUnsafe())
      over(slow!, true)
      assert.isUndefined(yield* Fiber.join(tried))
      assert.isUndefined(comes.pollUnsafe())
      over(failing!, false)
      assert.isUndefined(yield* Fiber.join(comes))
    })
  )

  it.effect("one that steps out leaves those before it in their lanes", () =>
    Effect.gen(function* () {
      const lanes = new OutboxLanes.Lanes()
      const [first, second, third] = [row(1, "x", "A"), row(2, "x", "B"), row(3, "x", "C")]
      const goesOn = lanes.join(first)
      const stepsOut = lanes.join(second)
      over(stepsOut, false)
      assert.deepStrictEqual(leave(lanes, second, stepsOut), ["1", undefined])
      const comes = yield* Effect.forkChild(lanes.join(third).comes, { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(comes.pollUnsafe())
      assert.deepStrictEqual(leave(lanes, first, goesOn), ["3", undefined])
      over(goesOn, true)
      assert.isUndefined(yield* Fiber.join(comes))
    })
  )
})

describe("the places of deliveries", () => {
  it.effect("a tenant has a few, one that has none gets one where all are taken, and there is a most", () =>
    Effect.gen(function* () {
      const places = new Places({ tenant: 2, all: 3, most: 5 })
      const gate = yield* Deferred.make<void>()
      const begun: Array<string> = []
      const begin = (tenant: string) =>
        Effect.forkChild(
          places.within(
            tenant,
            Effect.andThen(
              Effect.sync(() => begun.push(tenant)),
              Deferred.await(gate)
            )
          ),
          { startImmediately: true }
        )
      const fibers: Array<Fiber.Fiber<void>> = []
      for (const tenant of ["a", "a", "a", "b", "b", "c", "d", "e"]) fibers.push(yield* begin(tenant))
      yield* Effect.yieldNow
      // `a` has its two and `b` the last; `c` and `d` have none yet, and `e` would be one more than the most.
      assert.deepStrictEqual(begun, ["a", "a", "b", "c", "d"])
      assert.deepStrictEqual([places.of("a"), places.of("b"), places.of("e")], [3, 2, 1])
      yield* Fiber.interrupt(fibers[3]!)
      assert.deepStrictEqual(begun.slice(5), ["b"], "the one of a tenant that has none left comes first")
      yield* Fiber.interrupt(fibers[7]!)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(begun.slice(6), ["a"])
      assert.deepStrictEqual([places.of("a"), places.of("e"), places.tenants], [0, 0, 0])
    })
  )
})

describe("the deliveries at work", () => {
  it("none is put back behind a later one, and what is held before the next that is at work is woken", () => {
    const work = new Work(new Places({ tenant: 2, all: 3, most: 5 }))
    const claimed = (id: number) => ({ ...row(id, "x", `c${id}`), attempts: 1, row: {} })
    // The second was delayed: it came into the lane after the third.
    const [first, third, second] = [claimed(1), claimed(3), claimed(2)].map((each) => work.join(each))
    work.end(first!, { _tag: "Delivered" })
    work.end(third!, { _tag: "Postponed", why: "x" })
    work.end(second!, { _tag: "GivenBack", by: "3" })
    const { ends } = work.take()
    assert.deepStrictEqual([...ends.objects.values()], [{ of: first!.row, upTo: "2" }])
    assert.deepStrictEqual(ends.givenBack, [{ of: second!.row, by: undefined }])
  })

  it("nothing is remembered of what has ended and is written", () => {
    const work = new Work(new Places({ tenant: 2, all: 3, most: 5 }))
    const claimed = (id: number, object: string) => ({ ...row(id, object, `c${id}`), attempts: 1, row: {} })
    const [first, second, third] = [claimed(1, "x"), claimed(2, "x"), claimed(3, "y")].map((each) => work.join(each))
    assert.isDefined(first && second && third)
    assert.deepStrictEqual(work.begin(10).mine, ["1", "2", "3"])
    work.end(first!, { _tag: "Delivered" })
    work.end(second!, { _tag: "Postponed", why: "x" })
    work.end(second!, { _tag: "GivenBack" })
    work.end(third!, { _tag: "GivenBack" })
    assert.deepStrictEqual(work.begin(10).mine, ["1"], "the first is still there, and holds up none")
    const written = work.take()
    assert.strictEqual(written.statements.length, 4)
    work.wrote(written)
    assert.deepStrictEqual([work.has, work.begin(10).mine, work.take().statements], [false, [], []])
  })
})
