/** Agents as nobody should write them, and as somebody will: each must end where people see it, and free its thread. */
import * as Agent from "@tenon/agents/Agent"
import type { AgentContext } from "@tenon/agents/AgentContext"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

class Said extends Schema.TaggedError<Said>()("Said", { words: Schema.String }) {
  override get message() {
    return this.words
  }
}

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

const deep = (levels: number): Schema.Json => {
  let value: Schema.Json = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

const failing = (name: string, words: string) => Agent.make(name, () => Effect.fail(new Said({ words })))
const giving = (name: string, output: string) =>
  Agent.make(name, { output: Schema.String }, () => Effect.succeed(output))
const throwing = (name: string, thrown: unknown) =>
  Agent.make(name, () =>
    Effect.sync(() => {
      throw thrown
    })
  )
const throwingInStep = (name: string, thrown: unknown) =>
  Agent.make(name, (ctx) =>
    ctx.step(
      "throw",
      Effect.sync(() => {
        throw thrown
      })
    )
  )

/** Each ends as failed, and the thread has a message that says so. */
export const failures = [
  failing("fails with a NUL", "a\u0000b"),
  failing("fails with half a character", "a\ud800b"),
  failing("fails with a megabyte", "x".repeat(1_000_000)),
  failing("fails with nothing", ""),
  Agent.make("fails with no error", () => Effect.fail(Object.create(null))),
  Agent.make("fails with a symbol", () => Effect.fail(Symbol("no"))),
  giving("gives a NUL", "a\u0000b"),
  giving("gives half a character", "a\ud800b"),
  giving("gives ten megabytes", "x".repeat(10_000_000)),
  Agent.make("gives a cycle", { output: Schema.Unknown }, () => Effect.succeed(cyclic)),
  Agent.make("gives no number", { output: Schema.Json }, () => Effect.succeed(Number.NaN)),
  throwing("throws nothing", undefined),
  throwing("throws what has no words", Object.create(null)),
  throwing("throws a function", () => 1),
  throwingInStep("throws in a step", new TypeError("x is not a function")),
  throwingInStep("throws what has no words in a step", Object.create(null)),
  Agent.make("keeps a cycle", (ctx) => ctx.step("cycle", Effect.succeed(cyclic))),
  Agent.make("keeps no number", (ctx) => ctx.step("number", Effect.succeed(Number.NaN))),
  Agent.make("keeps forty megabytes", (ctx) =>
    ctx.step(
      "large",
      Effect.sync(() => "x".repeat(40_000_000))
    )
  ),
  Agent.make("keeps what is too deep", (ctx) =>
    ctx.step(
      "deep",
      Effect.sync(() => deep(100_000))
    )
  ),
  Agent.make("keeps a NUL and says it", (ctx) =>
    Effect.flatMap(ctx.step("nul", Effect.succeed("a\u0000b")), (words) => ctx.writeMessage(words))
  ),
  Agent.make("says a NUL", (ctx) => ctx.writeMessage("a\u0000b")),
  Agent.make("says a megabyte", (ctx) => ctx.writeMessage("x".repeat(1_000_000))),
  Agent.make("asks a NUL", (ctx) => ctx.ask("a\u0000b", Schema.String)),
  Agent.make("waits for a promise", () => Effect.promise(() => new Promise((done) => setTimeout(done, 10)))),
  Agent.make("steps in a step", (ctx) => ctx.step("outer", ctx.step("inner", Effect.succeed(1)))),
  Agent.make("interrupts itself in a step", (ctx) => ctx.step("interrupt", Effect.interrupt)),
  Agent.make("fails untold in a step", (ctx) => ctx.step("fail", Effect.fail(new Said({ words: "untold" }))))
]

/** Asks two people at once and says what each answered. */
export const twice = Agent.make("asks twice at once", (ctx) =>
  Effect.gen(function* () {
    const answers = yield* Effect.all([ctx.ask("first?", Schema.String), ctx.ask("second?", Schema.String)], {
      concurrency: "unbounded"
    })
    yield* ctx.writeMessage(answers.join(" "))
  })
)

/** Asks, and goes on without an answer. */
export const impatient = Agent.make("asks in a race", (ctx) =>
  Effect.gen(function* () {
    yield* Effect.raceFirst(ctx.ask("anyone?", Schema.String), ctx.sleep("50 millis"))
    yield* ctx.writeMessage("went on")
    yield* ctx.sleep("1 hour")
  })
)

/** Goes on before its question can even have been put. */
export const hasty = Agent.make("asks in haste", (ctx) =>
  Effect.gen(function* () {
    yield* Effect.raceFirst(ctx.ask("anyone?", Schema.String), ctx.sleep("1 millis"))
    yield* ctx.sleep("1 hour")
  })
)

/** Asks with so little time that an answer may come as it runs out. */
export const brief = Agent.make("asks briefly", (ctx) =>
  ctx.ask("quick?", Schema.String, { expires: "60 millis" }).pipe(
    Effect.catch(() => Effect.succeed("nobody")),
    Effect.flatMap((answer) => ctx.writeMessage(`heard ${answer}`))
  )
)

/** Asks with all the time in the world, given in several ways. */
export const patient = Agent.make("asks with time", (ctx) =>
  Effect.gen(function* () {
    const all = yield* Effect.forEach(
      ["Infinity", "200000000 days", "400000 days"] as const,
      (expires) => ctx.ask(expires, Schema.String, { expires }),
      { concurrency: "unbounded" }
    )
    yield* ctx.writeMessage(all.join())
  })
)

/** Has a bug in a step, which stops it where it stands, while it asks. */
export const clumsy = Agent.make("throws while it asks", (ctx) =>
  Effect.all(
    [
      ctx.ask("anyone?", Schema.String),
      ctx.step("throw", Effect.andThen(Effect.sleep("500 millis"), Effect.die(new Error("no"))))
    ],
    { concurrency: "unbounded", discard: true }
  )
)

/** Works for an hour. */
export const slow = Agent.make("slow", (ctx) => ctx.step("work", Effect.sleep("1 hour")))

/** Works for an hour whatever it is told. */
export const stubborn = Agent.make("stubborn", (ctx) =>
  Effect.uninterruptible(ctx.step("work", Effect.uninterruptible(Effect.sleep("1 hour"))))
)

/** What became of the bodies of steps that nobody waited for any longer. */
export const aborted: Array<string> = []

/** Gives a step little time, and goes on without it. */
export const hurried = Agent.make("does without a step", (ctx) =>
  Effect.gen(function* () {
    const body = Effect.onInterrupt(Effect.sleep("1 hour"), () => Effect.sync(() => void aborted.push(ctx.run)))
    yield* Effect.timeoutOption(ctx.step("work", body), "500 millis")
    yield* ctx.step("something else", Effect.sleep("1 hour"))
  })
)

/** How often each of the steps below was begun. */
export const begun = new Map<string, number>()
const counted = <A>(name: string, body: Effect.Effect<A>) =>
  Effect.andThen(
    Effect.sync(() => void begun.set(name, (begun.get(name) ?? 0) + 1)),
    body
  )

/** Does two things that belong together, and then something else. */
export const region = Agent.make("finishes what belongs together", (ctx) =>
  Effect.gen(function* () {
    const part = (name: string) => ctx.step(name, counted(name, Effect.sleep("300 millis")))
    yield* Effect.uninterruptible(Effect.andThen(part("one part"), part("the other part")))
    yield* part("something else")
  })
)

const unheeding = <A, E>(
  name: string,
  program: (ctx: AgentContext<undefined>, tick: Effect.Effect<void>) => Effect.Effect<A, E>
) => Agent.make(name, (ctx) => program(ctx, ctx.step("tick", counted(name, Effect.sleep("50 millis")))))

const whole = <A, E>(name: string, program: Parameters<typeof unheeding<A, E>>[1]) =>
  unheeding(name, (ctx, tick) => Effect.uninterruptible(program(ctx, tick)))

/** Each goes on for ever, whatever it is told, after it has counted at least once. */
export const unstoppable = [
  whole("ticks on", (_, tick) => Effect.forever(tick)),
  whole("ticks on and forgives all", (_, tick) => Effect.forever(Effect.exit(tick))),
  whole("sleeps on", (ctx, tick) => Effect.andThen(tick, ctx.sleep("1 hour"))),
  whole("asks on", (ctx, tick) => Effect.andThen(tick, ctx.ask("well?", Schema.String))),
  whole("waits on for a child", (ctx, tick) => Effect.andThen(tick, ctx.child(slow, undefined))),
  whole("works on, ten times at once", (ctx, tick) =>
    Effect.andThen(
      tick,
      Effect.forEach(
        Array.from({ length: 10 }, (_, index) => index),
        (index) => ctx.step(`work ${index}`, Effect.uninterruptible(Effect.sleep("1 hour"))),
        { concurrency: "unbounded" }
      )
    )
  ),
  unheeding("cleans up for ever", (ctx, tick) =>
    Effect.onInterrupt(Effect.andThen(tick, ctx.sleep("1 hour")), () => Effect.forever(tick))
  )
] as const

const parentOf = (name: string, child: typeof slow) =>
  Agent.make(name, (ctx) =>
    ctx.child(child, undefined).pipe(
      Effect.catch(({ problem }) => ctx.writeMessage(`lost a child: ${problem}`)),
      Effect.asVoid
    )
  )

/** Waits for a child that works for an hour. */
export const parent = parentOf("parent", slow)

/** Gives a child little time, and goes on without it. */
export const parentInHurry = Agent.make("does without a child", (ctx) =>
  Effect.andThen(Effect.timeoutOption(ctx.child(slow, undefined), "50 millis"), ctx.sleep("1 hour"))
)

const broken = Agent.make("throws in a child", (ctx) => ctx.step("throw", Effect.die(new Error("no"))))

/** Waits for a child that has a bug which stops it. */
export const parentOfBroken = parentOf("parent of broken", broken)

/** Waits for a child that takes no notice of being stopped. */
export const parentOfStubborn = parentOf("parent of stubborn", stubborn)

/** Runs itself for as long as it may. */
export const recursive: Agent.Agent<undefined, void, unknown, never> = Agent.make("runs itself", (ctx) =>
  ctx.child(recursive, undefined).pipe(
    Effect.catchTag("ChildFailed", ({ problem }) => ctx.writeMessage(problem)),
    Effect.asVoid
  )
)

/** All of these, with the children. */
export const patients = [
  twice,
  impatient,
  hasty,
  brief,
  patient,
  clumsy,
  hurried,
  parentInHurry,
  slow,
  stubborn,
  region,
  ...unstoppable,
  parent,
  parentOfBroken,
  parentOfStubborn,
  broken,
  recursive,
  Agent.make("echo", (ctx) => ctx.writeMessage("echo"))
] as const
