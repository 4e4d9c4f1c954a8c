/**
 * One attempt of a run: the program from its start, over what its journal holds, and on from there.
 *
 * Operations are numbered as the program begins them. What comes of one is journaled in the order in which it is handed
 * to the program, and handed to it only when it is in the journal; so a replay hands out the same results in the same
 * order, and `Effect.all`, `race`, `timeout`, forks and retries take the same turns (`RunTurns`). Completions that come
 * while a write is under way go into the next one together, and so do sends, for which nobody waits.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import type * as Action from "./Action.ts"
import { Checkpoint, type Point } from "./Checkpoint.ts"
import type { Durable, StepOptions } from "./Durable.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Delivery, Invocation } from "./Invocation.ts"
import * as RunBody from "./RunBody.ts"
import { RunClock, seeded } from "./RunClock.ts"
import * as RunContext from "./RunContext.ts"
import { type Begun, callName, isOneWay, type Kind, type Operation, signalName } from "./RunJournal.ts"
import * as RunOperations from "./RunOperations.ts"
import * as RunOrigin from "./RunOrigin.ts"
import * as RunTracer from "./RunTracer.ts"
import type { ClaimedRun, Mail, Write } from "./RunStore.ts"
import { foreign, RunTurns } from "./RunTurns.ts"
import * as Span from "./Span.ts"
import * as StepKey from "./StepKey.ts"
import * as StepResult from "./StepResult.ts"
import type { Implementation } from "./Workflow.ts"

/** What an attempt needs of the world. Its effects run in the context of the attempt's fiber. */
export interface World<E> {
  readonly implementation: Implementation
  readonly run: ClaimedRun
  /** The journal as it stands. */
  readonly operations: ReadonlyArray<Operation>
  /** What has come from outside before. */
  readonly mail: Mail
  /** Opens when more has come, to be read with `readMail`. */
  readonly mailed: Latch.Latch
  readonly readMail: Effect.Effect<Mail, E>
  /** Adds to the journal; `offset` is how many operations it has. */
  readonly write: (offset: number, write: Omit<Write, "next">) => Effect.Effect<void, E>
  readonly perform: (invocation: Invocation, id: string) => Effect.Effect<Schema.Json, ActionFailure>
  /** How long a run that only waits is kept at hand, in milliseconds. */
  readonly idleMillis: number
}

/** How an attempt came to its end. */
export type Ending = Ended | Idle

/** The program ended. `operations` and `deliveries` are not written yet. */
export interface Ended extends Omit<Write, "next"> {
  readonly _tag: "Ended"
  readonly exit: Exit.Exit<void, unknown>
  readonly offset: number
  /** How many operations the program began. */
  readonly begun: number
}

/** All that the program waits for are times and signals; `mail` is how much of it was read. */
export interface Idle {
  readonly _tag: "Idle"
  readonly afterMillis: number | undefined
  readonly mail: number
}

/** The journal and the program do not fit: what was begun at a place is not what the journal has there. */
export class JournalMismatch extends Schema.TaggedError<JournalMismatch>()("JournalMismatch", {
  index: Schema.Int,
  expected: Schema.String,
  found: Schema.String
}) {
  override get message() {
    return (
      `Operation ${this.index} is ${this.expected} in the journal and ${this.found} in the program; ` +
      "a run must do the same operations in the same order"
    )
  }
}

/** What it is that an operation waits for, where that is neither a body nor a write. */
type Awaited = { until: number } | { readonly signal: string }

/** What an operation is about. */
interface Waiting {
  readonly awaited?: Awaited
  readonly body?: (index: number) => Effect.Effect<Schema.Json>
  /** Of a call. */
  readonly input?: Schema.Json
}

interface Parked extends Begun {
  readonly index: number
  started: boolean
  startedAt: number
  readonly awaited: Awaited | undefined
  /** Runs it to what the journal keeps. */
  readonly body: Effect.Effect<Schema.Json> | undefined
  readonly resume: (outcome: Schema.Json) => void
  fiber: Fiber.Fiber<unknown> | undefined
}

/** An operation in words. */
export const words = (kind: Kind, name: string) => (name === "" ? `a ${kind}` : `the ${kind} "${name}"`)

/** How long the end of an attempt waits for a body that it has interrupted. */
const bodyGrace = "1 second"

/** A timer of the platform ends at once where it is set for longer than 25 days. */
const longestTimer = 24 * 60 * 60 * 1000

/** Runs an attempt. Dies with the program's defect, with a mismatch, or with a crash that a test injects. */
export const run = <E>(world: World<E>): Effect.Effect<Ending, E> =>
  Effect.flatMap(Effect.context<never>(), (context) => Effect.suspend(() => new Attempt(world, context).run()))

/** What the program begins once it was handed what the journal holds. Nothing of that is done. */
export const beyond = <E>(world: World<E>): Effect.Effect<ReadonlyArray<Begun>> =>
  Effect.flatMap(Effect.context<never>(), (context) => Effect.suspend(() => new Attempt(world, context).beyond()))

class Attempt<E> {
  readonly #world: World<E>
  readonly #context: Context.Context<never>
  readonly #turns: RunTurns<void, unknown>
  readonly #clock: RunClock
  readonly #durable: Durable["Service"]
  /** Whether a test listens. */
  readonly #isWatched: boolean
  /** Where spans are reported. */
  readonly #tracer: Tracer.Tracer | undefined
  readonly #outside: RunContext.Outside
  /** What the run's sends and calls go on from. */
  readonly #trace: string | undefined
  /** Where it goes its own way, if it is a fork. */
  readonly #partings: RunOrigin.Partings
  readonly #fits: ReturnType<typeof RunOrigin.fits>
  /** By index, what the journal says was begun there. */
  readonly #known: ReadonlyMap<number, Operation>
  readonly #parked = new Map<number, Parked>()
  /** What is under way. */
  readonly #bodies = new Set<Fiber.Fiber<unknown>>()
  /** Parked and not looked at yet. */
  #fresh: Array<Parked> = []
  #arrived: Array<Operation> = []
  #sent: Array<{ readonly operation: Operation; readonly id: string; readonly delivery: Delivery }> = []
  #begun = 0
  /** How much of the journal is still to be handed out. */
  #toReplay: number
  #draw: () => number
  #written: number
  #cancelled: boolean
  #signals: ReadonlyMap<string, Schema.Json> = new Map()
  #mail = 0
  /** Opens when something has arrived. */
  readonly #changed = Latch.makeUnsafe(false)
  readonly #broken = Deferred.makeUnsafe<never>()
  #defect: { readonly defect: unknown } | undefined

  constructor(world: World<E>, context: Context.Context<never>) {
    this.#world = world
    this.#context = context
    this.#isWatched = Context.getOrUndefined(context, Checkpoint) !== undefined
    this.#turns = new RunTurns((mistake) => this.#break(mistake))
    const { beganAt, seed } = RunOrigin.originOf(world.operations, { seed: world.run.id, beganAt: world.run.beganAt })
    this.#draw = seeded(seed)
    this.#clock = new RunClock(beganAt, (until) =>
      this.#wait<void>("sleep", "", { awaited: { until } }, () => Effect.void)
    )
    this.#known = new Map(world.operations.map((each) => [each.index, each]))
    this.#written = world.operations.length
    this.#partings = RunOrigin.partings(world.operations)
    this.#fits = RunOrigin.fits(world.operations, world.run.claim.key)
    this.#toReplay = this.#partings.operations.length
    this.#tracer = RunTracer.reporting(context)
    this.#outside = RunContext.outside(this.#tracer)
    this.#trace = RunTracer.ofSends(world.run.id, world.run.trace)
    this.#cancelled = world.operations.some(({ kind }) => kind === "cancel")
    const { actor, claim } = world.run
    this.#durable = RunOperations.durable(
      { workflow: claim.workflow, key: claim.key, actor },
      {
        step: (name, effect, options) => this.#step(name, effect, options),
        sleep: (duration) => this.#clock.sleep(duration),
        signal: (name, id) => {
          const both = signalName(name, id)
          return this.#wait("signal", both, { awaited: { signal: both } }, Effect.succeed)
        },
        deliver: (delivery) => this.#deliver(delivery),
        call: (action, invocation) => this.#call(action, invocation)
      }
    )
  }

  /** Ends the attempt at once: nothing the program does may stop that. */
  #break(defect: unknown): void {
    this.#defect ??= { defect }
    Deferred.doneUnsafe(this.#broken, Exit.die(defect))
  }

  run(): Effect.Effect<Ending, E> {
    return Effect.ensuring(
      Effect.raceFirst(Effect.andThen(this.#again(), this.#goOn()), Deferred.await(this.#broken)),
      this.#abort()
    )
  }

  beyond(): Effect.Effect<ReadonlyArray<Begun>> {
    const begun = Effect.sync(() => [...this.#sent.map(({ operation }) => operation), ...this.#parked.values()])
    return Effect.raceFirst(Effect.andThen(this.#again(), begun), Deferred.await(this.#broken))
  }

  /** The program from its start, to the end of the journal. */
  #again(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { implementation, run } = this.#world
      const input = yield* Effect.orDie(
        Schema.decodeUnknownEffect(Schema.toCodecJson(implementation.workflow.input))(run.input)
      )
      this.#turns.begin(this.#inside(), RunTracer.run(run.claim, run.trace, implementation.run(input)))
      yield* this.#wholeTurn()
      yield* this.#replay()
      if (this.#defect !== undefined) return yield* Effect.die(this.#defect.defect)
    })
  }

  #inside(): Context.Context<Durable> {
    const tracer = this.#tracer
    return RunContext.inside(this.#world.implementation.within(this.#context), {
      scheduler: this.#turns.scheduler,
      clock: this.#clock,
      draw: () => this.#draw(),
      durable: this.#durable,
      tracer: tracer && RunTracer.make(tracer, this.#world.run.id, () => this.#toReplay > 0)
    })
  }

  get #tenantId(): string {
    return this.#world.run.claim.tenantId
  }

  /** Counts an operation, and holds it against the journal. */
  #begin(kind: Kind, name: string): number {
    const index = this.#begun++
    const known = this.#known.get(index)
    if (known !== undefined && !this.#fits(known, { kind, name })) {
      const mismatch = new JournalMismatch({
        index,
        expected: words(known.kind, known.name),
        found: words(kind, name)
      })
      this.#break(mismatch)
      throw mismatch
    }
    return index
  }

  #wait<A, F = never>(
    kind: Kind,
    name: string,
    { awaited, body, input }: Waiting,
    read: (outcome: Schema.Json) => Effect.Effect<A, F>
  ): Effect.Effect<A, F> {
    return this.#turns.wait<A, F>((resume) => {
      const index = this.#begin(kind, name)
      const parked: Parked = {
        index,
        kind,
        name,
        ...(input === undefined ? {} : { input }),
        started: false,
        startedAt: 0,
        awaited,
        body: body?.(index),
        resume: (outcome) => resume(read(outcome)),
        fiber: undefined
      }
      this.#parked.set(index, parked)
      this.#fresh.push(parked)
      return () => {
        this.#parked.delete(index)
        parked.fiber?.interruptUnsafe()
      }
    })
  }

  #step<A, F, R>(
    name: string,
    effect: Effect.Effect<A, F, R>,
    options: StepOptions<A, F> | undefined
  ): Effect.Effect<A, F, R> {
    return Effect.contextWith((context: Context.Context<R>) => {
      const around = Effect.provideContext(this.#outside(context))
      const { claim } = this.#world.run
      const body = (index: number) =>
        around(RunBody.step(name, claim, StepKey.within(claim, index, name, effect), options))
      return this.#wait("step", name, { body }, (outcome) => StepResult.decode(outcome as StepResult.Ending, options))
    })
  }

  #call(action: Action.Any, invocation: Invocation): Effect.Effect<Schema.Json, ActionFailure> {
    const name = callName(action)
    const { perform, run } = this.#world
    return this.#wait(
      "call",
      name,
      {
        input: invocation.input,
        body: (index) =>
          Span.resume(
            this.#trace,
            RunBody.call(name, this.#tenantId, action, perform(invocation, `${run.id}/${index}`))
          )
      },
      (outcome) => RunBody.answer(action, outcome)
    )
  }

  #deliver(delivery: Delivery): Effect.Effect<void> {
    return this.#turns.now(() => {
      const [kind, name] = RunOperations.nameOf(delivery)
      const index = this.#begin(kind, name)
      for (const fork of this.#partings.atBegin.get(index) ?? []) this.#part(fork)
      if (this.#known.has(index)) return
      const at = this.#clock.currentTimeMillisUnsafe()
      const outcome = RunOperations.outcomeOf(delivery)
      const operation = { index, kind, name, startedAt: at, endedAt: at, outcome }
      this.#sent.push({ operation, id: `${this.#world.run.id}/${index}`, delivery })
    })
  }

  /** Hands out what the journal holds, in its order. */
  #replay(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (const operation of this.#partings.operations) {
        // What differs first is what is told: the rest follows from it.
        if (this.#defect !== undefined) return
        this.#toReplay--
        this.#handOut(operation)
        if (this.#turns.isUnfinished) yield* this.#wholeTurn()
      }
    })
  }

  /** Goes on with a turn that takes its time until it is over, and lets others have theirs in between. */
  #wholeTurn(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => this.#turns.isUnfinished,
      body: () => Effect.map(Effect.yieldNow, () => this.#turns.goOn()),
      step: () => {}
    })
  }

  /** What is drawn from here on is the run's own. */
  #part(fork: Operation): void {
    this.#draw = seeded(RunOrigin.seedFrom(fork))
    const missed = fork.endedAt - this.#clock.currentTimeMillisUnsafe()
    this.#clock.advance(fork.endedAt)
    // The time between the two runs was none of this one's: what it waits for is as far away as it was.
    for (const { awaited } of this.#parked.values()) {
      if (awaited !== undefined && "until" in awaited) awaited.until += Math.max(0, missed)
    }
  }

  /** What was interrupted before it was handed out is passed over, as it was then. */
  #handOut(operation: Operation): void {
    const { endedAt, index, kind, name, outcome } = operation
    if (isOneWay(operation)) return
    if (kind === "fork") return this.#part(operation)
    this.#clock.advance(endedAt)
    if (kind === "cancel") return this.#turns.interrupt()
    const parked = this.#parked.get(index)
    if (parked !== undefined) {
      this.#parked.delete(index)
      this.#turns.take(() => parked.resume(outcome))
    } else if (index >= this.#begun) {
      throw new JournalMismatch({ index, expected: words(kind, name), found: "not begun" })
    }
  }

  /** From here on, what is handed out is new. */
  #goOn(): Effect.Effect<Ending, E> {
    return Effect.gen({ self: this }, function* () {
      this.#take(this.#world.mail, yield* Clock.currentTimeMillis)
      for (;;) {
        yield* this.#startFresh()
        if (this.#defect !== undefined) return yield* Effect.die(this.#defect.defect)
        if (this.#turns.exit !== undefined) {
          const sent = this.#sent.map(({ operation }) => operation)
          return yield* Effect.as(this.#reached("executed", sent), this.#ended(this.#turns.exit))
        }
        // Looked at after each turn: what has arrived meanwhile goes into one write.
        this.#arriveDue(yield* Clock.currentTimeMillis)
        this.#arrived = this.#arrived.filter(({ index }) => index < 0 || this.#parked.has(index))
        // Closed here and not only with a write: what arrived may have been interrupted since.
        if (this.#arrived.length === 0) this.#changed.closeUnsafe()
        if (this.#arrived.length + this.#sent.length > 0) yield* this.#writeAndHandOut()
        else if (this.#parked.size === 0) return yield* Effect.die(new Error(foreign))
        else {
          const idle = yield* this.#pause()
          if (idle !== undefined) return idle
        }
      }
    })
  }

  /** Starts what the last turn began: never inside of a turn, so that a body cannot be taken for the program. */
  #startFresh(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fresh = this.#fresh.filter(({ index }) => this.#parked.has(index))
      this.#fresh = []
      return Effect.forEach(fresh, (parked) => this.#start(parked), { discard: true })
    })
  }

  #start(parked: Parked): Effect.Effect<void> {
    const { awaited, body } = parked
    return Effect.gen({ self: this }, function* () {
      parked.startedAt = yield* Clock.currentTimeMillis
      parked.started = true
      if (awaited !== undefined && "signal" in awaited) this.#arriveMailed(parked, awaited.signal, parked.startedAt)
      if (body === undefined) return
      const fiber = yield* Effect.forkDetach(
        Effect.onExit(body, (exit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            if (!this.#parked.has(parked.index)) return
            if (Exit.isSuccess(exit)) this.#arrive(parked, exit.value, now)
            else this.#break(RunBody.defectOf(exit))
          })
        )
      )
      parked.fiber = fiber
      this.#bodies.add(fiber)
      fiber.addObserver(() => void this.#bodies.delete(fiber))
    })
  }

  /** Bodies that take no notice must not keep their run, or the whole process, from ending. */
  #abort(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.ignore(Effect.timeoutOption(Fiber.interruptAll(this.#bodies), bodyGrace)))
  }

  #arrive({ index, kind, name, startedAt }: Parked, outcome: Schema.Json, now: number): void {
    this.#arrived.push({ index, kind, name, startedAt, endedAt: now, outcome: StepResult.asKept(outcome) })
    this.#changed.openUnsafe()
  }

  /** Sleeps that are over arrive in the order of their ends. */
  #arriveDue(now: number): void {
    const due = this.#sleeps().filter(({ until }) => until <= now)
    const waiting = new Set(this.#arrived.map(({ index }) => index))
    for (const { parked } of due.toSorted((a, b) => a.until - b.until)) {
      if (!waiting.has(parked.index)) this.#arrive(parked, null, now)
    }
  }

  #sleeps(): ReadonlyArray<{ readonly parked: Parked; readonly until: number }> {
    return [...this.#parked.values()].flatMap((parked) =>
      parked.awaited !== undefined && "until" in parked.awaited ? [{ parked, until: parked.awaited.until }] : []
    )
  }

  #readMail(): Effect.Effect<void, E> {
    return Effect.gen({ self: this }, function* () {
      this.#world.mailed.closeUnsafe()
      const mail = yield* this.#world.readMail
      this.#take(mail, yield* Clock.currentTimeMillis)
    })
  }

  #take({ cancelled, count, signals }: Mail, now: number): void {
    this.#mail = count
    const before = this.#signals
    this.#signals = new Map(signals.map(({ id, name, payload }) => [signalName(name, id), payload]))
    for (const parked of this.#parked.values()) {
      // What is not started yet finds its signal when it is.
      if (!parked.started || parked.awaited === undefined || !("signal" in parked.awaited)) continue
      if (!before.has(parked.awaited.signal)) this.#arriveMailed(parked, parked.awaited.signal, now)
    }
    if (!cancelled || this.#cancelled) return
    this.#cancelled = true
    this.#arrived.push({ index: -1, kind: "cancel", name: "", startedAt: now, endedAt: now, outcome: null })
    this.#changed.openUnsafe()
  }

  #arriveMailed(parked: Parked, signal: string, now: number): void {
    const payload = this.#signals.get(signal)
    if (payload !== undefined) this.#arrive(parked, payload, now)
  }

  /** A completion is handed out only when it is in the journal. */
  #writeAndHandOut(): Effect.Effect<void, E> {
    return Effect.gen({ self: this }, function* () {
      const sent = this.#sent
      const arrived = this.#arrived
      this.#sent = []
      this.#arrived = []
      this.#changed.closeUnsafe()
      const operations = [...sent.map(({ operation }) => operation), ...arrived]
      // Bodies have said so themselves.
      yield* this.#reached(
        "executed",
        operations.filter(({ kind }) => kind !== "step" && kind !== "call")
      )
      yield* this.#world.write(this.#written, { operations, deliveries: sent, trace: this.#trace })
      this.#written += operations.length
      yield* this.#reached(
        "journaled",
        sent.map(({ operation }) => operation)
      )
      for (const operation of arrived) {
        yield* this.#reached("journaled", [operation])
        this.#handOut(operation)
        if (this.#turns.isUnfinished) yield* this.#wholeTurn()
      }
    })
  }

  /** Tells a test's listener, where there is one, of operations around their write. */
  #reached(point: Point, operations: ReadonlyArray<Operation>): Effect.Effect<void> {
    if (!this.#isWatched) return Effect.void
    return Effect.forEach(operations, (each) => RunBody.reached(point, RunBody.placeOf(each), this.#tenantId), {
      discard: true
    })
  }

  /** Waits for an arrival. Gives how to go on later, where nothing came for a while and nothing is under way. */
  #pause(): Effect.Effect<Ending | undefined, E> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      const next = Math.min(...this.#sleeps().map(({ until }) => until)) - now
      const idles = [...this.#parked.values()].every(({ awaited }) => awaited !== undefined)
      const millis = Math.min(next, idles ? this.#world.idleMillis : Infinity)
      const came = Effect.raceFirst(
        Effect.as(this.#changed.await, "changed" as const),
        Effect.as(this.#world.mailed.await, "mailed" as const)
      )
      const what = yield* millis < Infinity
        ? Effect.raceFirst(came, Effect.as(Effect.sleep(Math.min(millis, longestTimer)), "time" as const))
        : came
      if (what === "mailed") yield* this.#readMail()
      if (what !== "time" || !idles || next <= this.#world.idleMillis) return undefined
      const later = yield* Clock.currentTimeMillis
      return {
        _tag: "Idle",
        afterMillis: next < Infinity ? Math.max(0, next + now - later) : undefined,
        mail: this.#mail
      } as const
    })
  }

  #ended(exit: Exit.Exit<void, unknown>): Ending {
    return {
      _tag: "Ended",
      exit,
      offset: this.#written,
      begun: this.#begun,
      operations: this.#sent.map(({ operation }) => operation),
      deliveries: this.#sent,
      trace: this.#trace
    }
  }
}
