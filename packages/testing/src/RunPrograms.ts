/**
 * Generated workflows: trees of everything that a durable program may be made of, the same tree for the same seed. Each
 * writes down what it was handed, in order, so that one attempt can be held against the next.
 */
import * as Durable from "@tenon/core/Durable"
import * as Field from "@tenon/core/Field"
import { NewId } from "@tenon/core/NewId"
import * as Outcome from "@tenon/core/Outcome"
import * as Resource from "@tenon/core/Resource"
import { seeded } from "@tenon/core/RunClock"
import * as Workflow from "@tenon/core/Workflow"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** The workflow of all generated programs. */
export const Generated = Workflow.make("LawGenerated", {
  input: { seed: Schema.String, unit: Schema.Number },
  signals: { given: Schema.String, own: Schema.String }
})

class Declined extends Schema.TaggedError<Declined>()("LawDeclined", {}, { httpStatus: 409 }) {}

/** What the programs call: it takes a word down, or declines an empty one. */
export const Clerk = Resource.make("LawClerk", {
  durable: true,
  fields: { id: Field.Id, words: Schema.Array(Schema.String) },
  actions: (on) => ({
    take: on.action(
      { self: "optional", input: { word: Schema.String }, output: Schema.Int, errors: [Declined] },
      ({ self, input: { word } }, context) => {
        const words = [...(self?.words ?? []), word]
        return word === ""
          ? Result.fail(new Declined())
          : on.save({ id: context.key, words }).pipe(Outcome.as(words.length))
      }
    )
  })
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

/** The seed of a program that notes the time, and what it draws, at each thing that it is handed. */
export const timed = "timed"

/** The seed of a program that changes what it was handed, and what its steps' bodies gave, and notes both. */
export const changing = "changing"

/** Ends the name of a step before which each run of it crashes once. */
export const crashing = "!"

/** How much it has noted when it waits for the first of those signals. */
export const linesBeforeGiven = 6

class Refused extends Schema.TaggedError<Refused>()("LawRefused", { path: Schema.String, turn: Schema.Int }) {}

interface World extends Hands {
  readonly draw: () => number
  /** The unit of time, in milliseconds. */
  readonly unit: number
}

/** What every program has at hand. */
interface Hands {
  readonly durable: Durable.Durable["Service"]
  /** Notes something, with the run's time. */
  readonly note: (what: string) => Effect.Effect<void>
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

const call = ({ durable, note }: Hands, path: string, word: string): Program =>
  Effect.flatMap(Effect.exit(durable.call(Clerk.actions.take, `${durable.key}:${path}`, { word })), (exit) =>
    note(`${path} ${Exit.isSuccess(exit) ? `took ${exit.value}` : "declined"}`)
  )

/** A number and an id, as the run draws them now. */
const drawn = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  return `${yield* Random.next} ${(yield* NewId)(now)}`
})

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
  ({ note }, path) => Effect.flatMap(drawn, (words) => note(`${path} ${words}`)),
  (world, path) => call(world, path, path),
  (world, path) => call(world, path, "")
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

/**
 * Its steps are named by the time and by what it draws. It calls, waits for the first of the signals and sleeps in the
 * end until half a second after its beginning, which may be over by then.
 */
const inTime = ({ durable, note }: Hands): Program =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const named = (what: string) =>
      Effect.gen(function* () {
        yield* note(what)
        const name = `${yield* Clock.currentTimeMillis} ${yield* drawn}`
        yield* durable.step(`${durable.key}:${what} ${name}`, Effect.void)
        yield* note(name)
      })
    yield* call({ durable, note }, "called", "word")
    yield* named("called")
    yield* call({ durable, note }, "refused", "")
    yield* named("refused")
    yield* durable.signal("given", given[0])
    yield* named("given")
    yield* durable.sleep(Math.max(0, began + 500 - (yield* Clock.currentTimeMillis)))
    yield* named("slept")
  })

/** Each thing it is handed it changes, and so it does what the bodies still hold. */
const changes = ({ durable, note }: Hands): Program =>
  Effect.gen(function* () {
    const step = (name: string, body: Effect.Effect<Schema.Json>, options?: Durable.StepOptions<Schema.Json, never>) =>
      Effect.tap(durable.step(`${durable.key}:${name}`, body, options), (handed) => note(JSON.stringify(handed)))
    const change = (value: unknown) => void (Array.isArray(value) && value.push("changed"))
    const held: Array<Schema.Json> = [{ one: [1] }, -0]
    for (const options of [undefined, { success: Schema.Json }]) {
      const one = yield* step("one", Effect.succeed(held), options)
      held.push("more")
      change(one)
      yield* note(JSON.stringify(one))
      const again = yield* step("again", Effect.succeed(held), options)
      yield* note(`${JSON.stringify(again)} ${again === one}`)
    }
    const given = yield* durable.signal("own", "list").pipe(
      Effect.tap((word) => note(JSON.stringify(word))),
      Effect.raceFirst(Effect.andThen(durable.notify(Generated, durable.key, "own", "word", "list"), Effect.never))
    )
    yield* note(JSON.stringify(given))
    yield* step(`last${crashing}`, Effect.succeed(null))
    yield* note(JSON.stringify(held.length))
  })

/** The program of every generated run. */
export const implementation = Workflow.implement(
  Generated,
  Effect.fnUntraced(function* ({ seed, unit }) {
    const durable = yield* Durable.Durable
    const written = notes.get(durable.key) ?? { attempts: [], end: undefined }
    notes.set(durable.key, written)
    const mine: Array<string> = []
    written.attempts.push(mine)
    const note = (what: string) => Effect.map(Clock.currentTimeMillis, (now) => void mine.push(`${what} @${now}`))
    const draw = seeded(seed)
    yield* seed === waiting
      ? durable.signal("given", given[0])
      : seed === timed
        ? inTime({ durable, note })
        : seed === changing
          ? changes({ durable, note })
          : branch({ durable, draw, note, unit }, "p", 4)
    yield* durable.step(
      `${durable.key}:end`,
      Effect.sync(() => void (written.end = [...mine]))
    )
  })
)
