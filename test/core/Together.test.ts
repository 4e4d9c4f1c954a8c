import * as Together from "@tenon/core/Together"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

/** A writer that writes down what it was given at once, doubles numbers, and refuses 13 and all with it. */
const doubling = (options: { readonly most?: number } = {}) =>
  Effect.gen(function* () {
    const written: Array<ReadonlyArray<number>> = []
    const write = Effect.fnUntraced(function* (items: ReadonlyArray<number>) {
      written.push(items)
      yield* Effect.yieldNow
      if (items.includes(13)) return yield* Effect.fail("refused" as const)
      return items.map((each) => each * 2)
    })
    return { written, double: yield* Together.make({ write, ...options }) }
  })

const all = { concurrency: "unbounded" } as const

it.effect("what is called for at once is written together, and each is answered for itself", () =>
  Effect.gen(function* () {
    const { double, written } = yield* doubling()
    assert.deepStrictEqual(yield* Effect.all([double(1), double(2), double(3)], all), [2, 4, 6])
    assert.strictEqual(yield* double(4), 8)
    assert.deepStrictEqual(written, [[1, 2, 3], [4]])
  })
)

it.effect("no more than so many go together, and what waits goes with the next", () =>
  Effect.gen(function* () {
    const { double, written } = yield* doubling({ most: 2 })
    assert.deepStrictEqual(yield* Effect.forEach([1, 2, 3, 4, 5], double, all), [2, 4, 6, 8, 10])
    assert.deepStrictEqual(written, [[1, 2], [3, 4], [5]])
  })
)

it.effect("one that is refused takes no other down with it", () =>
  Effect.gen(function* () {
    const { double, written } = yield* doubling()
    const answers = yield* Effect.forEach([1, 13, 3], (each) => Effect.option(double(each)), all)
    assert.deepStrictEqual(
      answers.map((each) => (each._tag === "Some" ? each.value : undefined)),
      [2, undefined, 6]
    )
    assert.deepStrictEqual(written, [[1, 13, 3], [1], [13], [3]])
  })
)

it.effect("what belongs to different groups is written apart", () =>
  Effect.gen(function* () {
    const written: Array<readonly [string, ReadonlyArray<number>]> = []
    const keep = yield* Together.make({
      groupOf: (item: number) => (item % 2 === 0 ? "even" : "odd"),
      write: (items: ReadonlyArray<number>, group) => Effect.sync(() => (written.push([group, items]), items))
    })
    assert.deepStrictEqual(yield* Effect.forEach([1, 2, 3, 4], keep, all), [1, 2, 3, 4])
    assert.deepStrictEqual(written, [
      ["odd", [1, 3]],
      ["even", [2, 4]]
    ])
  })
)

it.effect("in an outage nobody tries by himself", () =>
  Effect.gen(function* () {
    let writes = 0
    const keep = yield* Together.make({
      write: (_: ReadonlyArray<number>) =>
        Effect.suspend(() => (writes++, Effect.yieldNow)).pipe(
          Effect.andThen(Effect.fail({ _tag: "ConnectionLost" as const }))
        )
    })
    const answers = yield* Effect.forEach([1, 2, 3], (each) => Effect.flip(keep(each)), all)
    assert.deepStrictEqual(
      answers,
      [1, 2, 3].map(() => ({ _tag: "ConnectionLost" as const }))
    )
    assert.strictEqual(writes, 1)
  })
)

it.effect("items of one name are written one after the other, in their order", () =>
  Effect.gen(function* () {
    const written: Array<ReadonlyArray<string>> = []
    const keep = yield* Together.make({
      nameOf: (item: string) => item[0] ?? "",
      write: (items: ReadonlyArray<string>) => Effect.as(Effect.yieldNow, (written.push(items), items))
    })
    yield* Effect.forEach(["a1", "b1", "a2", "a3", "c1"], keep, all)
    assert.deepStrictEqual(written, [["a1", "b1"], ["a2"], ["a3", "c1"]])
  })
)

it.effect("a writer that throws fails those whom it was to write, and nobody after them", () =>
  Effect.gen(function* () {
    const keep = yield* Together.make({
      write: (items: ReadonlyArray<number>) => {
        if (items.includes(13)) throw new Error("thirteen")
        return Effect.succeed(items)
      }
    })
    const answers = yield* Effect.forEach([1, 13, 3], (each) => Effect.exit(keep(each)), all)
    assert.deepStrictEqual(
      answers.map(({ _tag }) => _tag),
      ["Success", "Failure", "Success"]
    )
    assert.strictEqual(yield* keep(4), 4)
  })
)

it.effect("the next write is on its way before those who were answered go on", () =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const keep = yield* Together.make({
      most: 2,
      write: (items: ReadonlyArray<number>) => Effect.as(Effect.yieldNow, (seen.push(`write ${items}`), items))
    })
    yield* Effect.forEach([1, 2, 3, 4], (each) => Effect.map(keep(each), () => seen.push(`answer ${each}`)), all)
    assert.deepStrictEqual(seen, ["write 1,2", "write 3,4", "answer 1", "answer 2", "answer 3", "answer 4"])
  })
)
