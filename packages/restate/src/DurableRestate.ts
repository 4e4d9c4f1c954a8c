/** `Durable` over a Restate workflow: what a run of a program can do that survives a crash. */
import * as restate from "@restatedev/restate-sdk"
import type { StepOptions } from "@tenon/core/Durable"
import type { ActionFailure } from "@tenon/core/Failure"
import * as RunBody from "@tenon/core/RunBody"
import { callName, type Kind, type Operation, signalName } from "@tenon/core/RunJournal"
import { RunClock, seeded } from "@tenon/core/RunClock"
import * as RunContext from "@tenon/core/RunContext"
import * as RunOperations from "@tenon/core/RunOperations"
import { type Origin, seedFrom } from "@tenon/core/RunOrigin"
import * as RunTracer from "@tenon/core/RunTracer"
import * as StepKey from "@tenon/core/StepKey"
import * as StepResult from "@tenon/core/StepResult"
import type { Implementation } from "@tenon/core/Workflow"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as ActionHandler from "./ActionHandler.ts"
import * as Attempt from "./Attempt.ts"
import * as Handler from "./Handler.ts"
import type { Overdue } from "./Overdue.ts"
import { RunDriver } from "./RunDriver.ts"
import * as SignalPayload from "./SignalPayload.ts"
import * as SignedContext from "./SignedContext.ts"
import type { RunMirror } from "./RunMirror.ts"
import * as WireError from "./WireError.ts"

const decoder = new TextDecoder()

/** What a run is about. */
export interface Run {
  readonly ctx: restate.WorkflowContext
  readonly verified: SignedContext.Verified
  readonly key: string
  readonly input: unknown
  readonly mirror: RunMirror
  readonly overdue: Overdue
  /** Called before a step with a bug pauses the run: Restate tells the run's handler nothing of that. */
  readonly pausing: (problem: unknown) => Promise<void>
  /** What its time and what it draws follow from. */
  readonly origin: Origin
  /** What the ids of all that it sends and calls follow from. It outlives the loss of the run by Restate. */
  readonly id: string
  /** What the run begins with instead of doing it, in the order in which it was handed out. */
  readonly forked: ReadonlyArray<Operation>
}

/** One attempt of a run: the program from its start, over what the journal already holds. */
export const attempt = (
  setting: Handler.Setting,
  implementation: Implementation,
  { ctx, forked, id, input, key, mirror, origin, overdue, pausing, verified }: Run
): Promise<Exit.Exit<void, unknown>> => {
  const { claims, keyId } = verified
  const { tenantId } = claims.actor
  const workflow = implementation.workflow.name
  let next = seeded(origin.seed)
  const draw = () => next()
  const driver = new RunDriver<void, unknown>(key, forked, (fork) => {
    next = seeded(seedFrom(fork))
    clock.advance(fork.endedAt)
    mirror.fork(fork)
  })
  const clock = new RunClock(origin.beganAt, (until, millis) =>
    told("sleep", "", () =>
      Effect.as(driver.await(watched("sleep", "", () => ctx.sleep(millis))), { at: until, outcome: null })
    )
  )
  const ended = ctx.request().attemptCompletedSignal
  const tracer = RunTracer.reporting(setting.context)
  const outside = RunContext.outside(tracer)
  const sendTrace = RunTracer.ofSends(claims.id, claims.trace)
  let performed: Array<string> = []

  /** Tells a test's listener, where there is one, that an operation was handed to Restate; not in a replay. */
  const issued = (place: string): void => {
    if (!Handler.isFirst(ctx)) return
    setting.reached?.("executed", place, tenantId).catch((crash: unknown) => driver.break(crash))
  }

  /** An operation without a body, of whose beginning and end a test's listener is told. */
  const watched = <B>(kind: Kind, name: string, issue: () => restate.RestatePromise<B>) =>
    setting.reached === undefined
      ? issue
      : () => {
          const promise = issue()
          const place = RunBody.placeOf({ kind, name })
          issued(place)
          return promise.map((value, failure) => {
            if (Handler.isFirst(ctx)) performed.push(place)
            if (failure !== undefined) throw failure
            return value as B
          })
        }

  /**
   * Does an operation, or takes it over; moves the clock to when that ended, and tells of it with this time, so that
   * whoever reads the mirror comes to the same. Where Restate's journal has no time of it, the clock stands still.
   */
  const told = (
    kind: Kind,
    name: string,
    operation: (index: number) => Effect.Effect<Handed>
  ): Effect.Effect<Schema.Json> =>
    Effect.suspend(() => {
      const begun = mirror.begin(kind, name, Date.now())
      const from = clock.currentTimeMillisUnsafe()
      const done: Effect.Effect<Handed> = driver.isForked(begun)
        ? Effect.map(driver.forked(begun.index), ({ endedAt, outcome }) => ({ at: endedAt, outcome }))
        : operation(begun.index)
      return Effect.map(done, ({ at, outcome }) => {
        const endedAt = Math.max(from, at ?? clock.currentTimeMillisUnsafe())
        clock.advance(endedAt)
        mirror.end(begun, endedAt, outcome)
        return outcome
      })
    })

  const perform = <A, E, R>(
    name: string,
    effect: Effect.Effect<A, E, R>,
    options: StepOptions<A, E> | undefined,
    context: Context.Context<R>,
    interruption: Attempt.Interruption
  ): StepResult.StepResult | Promise<StepResult.StepResult> => {
    const plain = RunTracer.step(workflow, name, StepResult.encoded(name, effect, options))
    const body = setting.reached === undefined ? plain : noted(name, plain)
    const settled = Attempt.settle(outside(context), body, interruption)
    if (!(settled instanceof Promise)) return kept(settled)
    const ended = overdue.begins(interruption)
    return settled
      .then(kept)
      .catch(async (error: unknown) => {
        if (interruption.isWanted) return { at: Date.now(), interrupted: true }
        if (error instanceof restate.PauseError) await pausing(error)
        throw error
      })
      .finally(ended)
  }

  /** Tells a test's listener of a step's body, and notes that there will be more to tell. */
  const noted = <A, E, R>(name: string, body: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.tap(RunBody.watched(name, tenantId, body), () => Effect.sync(() => performed.push(name)))

  /** What identifies what an operation sends. */
  const following = (index: number) => ({
    id: SignedContext.follow(id, index),
    at: clock.currentTimeMillisUnsafe(),
    ...(sendTrace === undefined ? {} : { trace: sendTrace })
  })

  const durable = RunOperations.durable(
    { workflow: implementation.workflow.name, key, actor: claims.actor },
    {
      step: (name, effect, options) =>
        Effect.contextWith((context: Context.Context<Effect.Services<typeof effect>>) => {
          const interruption = new Attempt.Interruption(ended)
          const body = (index: number) => StepKey.within({ tenantId, workflow, key }, index, name, effect)
          const run = (index: number) =>
            driver.await(
              () =>
                ctx.run(name, async () => perform(name, body(index), options, context, interruption), Attempt.retry),
              { interrupted: () => interruption.interrupt() }
            )
          const done = told("step", name, (index) =>
            Effect.map(run(index), ({ at, ...outcome }) => ({ at, outcome: outcome as Schema.Json }))
          )
          return Effect.flatMap(done, (outcome) => StepResult.decode(outcome as StepResult.Ending, options))
        }),
      sleep: (duration) => clock.sleep(duration),
      signal: (name, id) => {
        const both = signalName(name, id)
        return told("signal", both, () =>
          Effect.suspend(() => {
            const settled = overdue.expects(both)
            return driver
              .await(watched("signal", both, () => ctx.promise<Schema.Json>(both).get()))
              .pipe(Effect.ensuring(Effect.sync(settled)), Effect.map(SignalPayload.read))
          })
        )
      },
      deliver: (delivery) =>
        driver.turns.now(() => {
          const [kind, name] = RunOperations.nameOf(delivery)
          const at = Date.now()
          const begun = mirror.begin(kind, name, at)
          const isTaken = driver.isForked(begun)
          driver.began(begun.index)
          mirror.end(begun, at, RunOperations.outcomeOf(delivery))
          if (isTaken) return
          Handler.send(setting, ctx, claims.actor, delivery, following(begun.index), keyId)
          issued(RunBody.placeOf({ kind, name }))
        }),
      call: (action, invocation) => {
        const answered = (index: number): Effect.Effect<Handed> =>
          driver
            .await(
              watched("call", callName(action), () => Handler.call(setting, ctx, invocation, following(index), keyId)),
              {
                refused: (terminal) => {
                  const failure = WireError.fromTerminal(terminal, action.errors)
                  return failure === undefined
                    ? Effect.die(terminal)
                    : Effect.fail({ at: WireError.timeOf(terminal), outcome: RunBody.refusal(action, failure) })
                }
              }
            )
            .pipe(Effect.match({ onSuccess: answerOf, onFailure: (refused) => refused }))
        return Effect.flatMap(told("call", callName(action), answered), (outcome) => RunBody.answer(action, outcome))
      }
    }
  )

  const context = RunContext.inside(implementation.within(setting.context), {
    scheduler: driver.turns.scheduler,
    clock,
    draw,
    durable,
    tracer: tracer && RunTracer.make(tracer, claims.id, () => !Handler.isFirst(ctx))
  })
  const program = RunTracer.run({ tenantId, workflow }, claims.trace, implementation.run(input))
  const between = () => {
    const { reached } = setting
    if (reached === undefined || performed.length === 0) return undefined
    const names = performed
    performed = []
    return Promise.all(names.map((name) => reached("journaled", name, claims.actor.tenantId))).then(() => {})
  }
  return driver.run(context, program, between)
}

/** What the journal keeps of what came of a step's body. What may be tried again is not kept. */
const kept = (settled: Result.Result<StepResult.Ending, ActionFailure>): StepResult.StepResult => {
  if (Result.isFailure(settled)) throw new Error(settled.failure.message)
  return { at: Date.now(), ...settled.success }
}

/** What came of an operation, and when, as far as Restate's journal says. */
interface Handed {
  readonly at: number | undefined
  readonly outcome: Schema.Json
}

/** A call's answer, as it is kept. */
const answerOf = (bytes: Uint8Array): Handed => {
  const { at, result } = JSON.parse(decoder.decode(bytes)) as ActionHandler.Answer
  return { at, outcome: { value: result } }
}
