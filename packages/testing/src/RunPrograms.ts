/**
 * Generated workflows: trees of everything that a durable program may be made of, the same tree for the same seed. Each
 * writes down what it was handed, in order, so that one attempt can be held against the next.
 */
import * as Durable from "@tenon/core/Durable"
import { NewId } from "@tenon/core/NewId"
import { seeded } from "@tenon/core/RunClock"
import * as Workflow from "@tenon/core/Workflow"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** The workflow of all generated programs. */
export const Generated = Workflow.make("LawGenerated", {
  input: { seed: Schema.String, unit: Schema.Number },
  signals: { given: Schema.String, own: Schema.String }
})

/** What a run has written down. */
export interface Written {
  /** One entry per attempt, in order: what it was handed. */
  readonly attempts: Array<Array<string>>
  /** How the last attempt's notes read when the program had come to its end. */
  end: ReadonlyArray<string> | undefined
}

/** By the runs' keys. */
export const notes = new Map<string, Written>()

/** The ids under which the driver of a generated run gives it the signal `given`. */
export const given = ["0", "1", "2"] as const

/** The seed of a program that only waits for the first of those signals. */
export const waiting = "waiting"

class Refused extends Schema.TaggedError<Refused>()("LawRefused", { path: Schema.String, turn: Schema.Int }) {}

interface World {
  readonly durable: Durable.Durable["Service"]
  readonly draw: () => number
  readonly note: (what: string) => Effect.Effect<void>
  /** The unit of time, in milliseconds. */
  readonly unit: number
}

type Program = Effect.Effect<unknown>

/** Counts executions: only a journal makes a number stay. */
let executions = 0

const pick = (draw: () => number, count: number) => Math.floor(draw() * count)

const many = (world: World, path: string, depth: number): ReadonlyArray<Program> =>
  Array.from({ length: 2 + pick(world.draw, 3) }, (_, index) => tree(world, `${path}.${index}`, depth - 1))

const step = ({ draw, durable, note, unit }: World, path: string): Program => {
  const millis = pick(draw, 4) * unit
  const body = Effect.sync(() => ++executions)
  return Effect.tap(durable.step(`${durable.key}:${path}`, millis === 0 ? body : Effect.delay(body, millis)), (drawn) =>
    note(`${path} step ${drawn}`)
  )
}

/** Refuses a few times, as a typed failure that the program sees and repeats. */
const flaky = ({ draw, durable, note, unit }: World, path: string): Program => {
  const times = 1 + pick(draw, 2)
  let turn = 0
  return Effect.suspend(() => {
    turn = 0
    const refusing = durable.step(
      `${durable.key}:${path}`,
      Effect.suspend(() => (turn < times ? Effect.fail(new Refused({ path, turn })) : Effect.succeed(++executions))),
      { failure: Refused }
    )
    return refusing.pipe(
      Effect.tapError((error) => {
        turn++
        return note(`${path} ${error instanceof Refused ? error._tag : "another failure"} ${error.turn}`)
      }),
      Effect.retry(Schedule.spaced(unit)),
      Effect.orDie,
      Effect.tap((drawn) => note(`${path} steady ${drawn}`))
    )
  })
}

const leaves: ReadonlyArray<(world: World, path: string) => Program> = [
  step,
  step,
  step,
  flaky,
  ({ draw, durable, note, unit }, path) =>
    Effect.andThen(durable.sleep((1 + pick(draw, 5)) * unit), note(`${path} slept`)),
  ({ draw, durable, note }, path) =>
    Effect.flatMap(durable.signal("given", given[pick(draw, 3)]), (word) => note(`${path} given ${String(word)}`)),
  ({ durable, note }, path) =>
    Effect.andThen(
      durable.notify(Generated, durable.key, "own", path, path),
      Effect.flatMap(durable.signal("own", path), (word) => note(`${path} own ${String(word)}`))
    ),
  ({ note }, path) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* note(`${path} ${now} ${yield* Random.next} ${(yield* NewId)(now)}`)
    })
]

const branches: ReadonlyArray<(world: World, path: string, depth: number) => Program> = [
  (world, path, depth) => Effect.forEach(many(world, path, depth), (each) => each),
  (world, path, depth) => Effect.all(many(world, path, depth), { concurrency: "unbounded" }),
  (world, path, depth) => Effect.all(many(world, path, depth), { concurrency: 2 }),
  (world, path, depth) => Effect.andThen(Effect.raceAll(many(world, path, depth)), world.note(`${path} raced`)),
  (world, path, depth) => {
    const millis = (1 + pick(world.draw, 4)) * world.unit
    return Effect.flatMap(Effect.timeoutOption(tree(world, `${path}.t`, depth - 1), millis), (in_) =>
      world.note(`${path} ${Option.isSome(in_) ? "in time" : "too late"}`)
    )
  },
  (world, path, depth) => {
    const [one, other] = [tree(world, `${path}.f`, depth - 1), tree(world, `${path}.g`, depth - 1)]
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(one)
      yield* other
      yield* Fiber.join(fiber)
      yield* world.note(`${path} joined`)
    })
  },
  (world, path, depth) => {
    const inner = tree(world, `${path}.i`, depth - 1)
    const millis = pick(world.draw, 3) * world.unit
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(inner)
      yield* world.durable.sleep(millis)
      yield* Fiber.interrupt(fiber)
      yield* world.note(`${path} interrupted`)
    })
  },
  (world, path, depth) => {
    const last = step(world, `${path}.last`)
    return Effect.ensuring(tree(world, `${path}.e`, depth - 1), last)
  }
]

const leaf = (world: World, path: string): Program => (leaves[pick(world.draw, leaves.length)] ?? step)(world, path)

const branch = (world: World, path: string, depth: number): Program =>
  (branches[pick(world.draw, branches.length)] ?? tree)(world, path, depth)

const tree = (world: World, path: string, depth: number): Program =>
  depth <= 0 || world.draw() < 0.3 ? leaf(world, path) : branch(world, path, depth)

/** The program of every generated run. */
export const implementation = Workflow.implement(
  Generated,
  Effect.fnUntraced(function* ({ seed, unit }) {
    const durable = yield* Durable.Durable
    const written = notes.get(durable.key) ?? { attempts: [], end: undefined }
    notes.set(durable.key, written)
    const mine: Array<string> = []
    written.attempts.push(mine)
    const note = (what: string) => Effect.sync(() => void mine.push(what))
    const draw = seeded(seed)
    yield* seed === waiting ? durable.signal("given", given[0]) : branch({ durable, draw, note, unit }, "p", 4)
    yield* durable.step(
      `${durable.key}:end`,
      Effect.sync(() => void (written.end = [...mine]))
    )
  })
)
