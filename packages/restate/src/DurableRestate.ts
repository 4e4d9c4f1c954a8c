/** `Durable` over a Restate workflow: what a run of a program can do that survives a crash. */
import type * as restate from "@restatedev/restate-sdk"
import * as Decision from "@tenon/core/Decision"
import { Durable, type StepOptions } from "@tenon/core/Durable"
import { NewId } from "@tenon/core/NewId"
import { Checkpoint } from "@tenon/core/Checkpoint"
import type { Delivery } from "@tenon/core/Invocation"
import * as Span from "@tenon/core/Span"
import * as Undeliverable from "@tenon/core/Undeliverable"
import type { Implementation } from "@tenon/core/Workflow"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import type * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Attempt from "./Attempt.ts"
import * as Handler from "./Handler.ts"
import { newId, random, RunClock } from "./RunClock.ts"
import { RunDriver } from "./RunDriver.ts"
import * as RunTracer from "./RunTracer.ts"
import * as SignedContext from "./SignedContext.ts"
import * as StepResult from "./StepResult.ts"

/** What a run is about. */
export interface Run {
  readonly ctx: restate.WorkflowContext
  readonly verified: SignedContext.Verified
  readonly key: string
  readonly input: unknown
}

/** One attempt of a run: the program from its start, over what the journal already holds. */
export const attempt = (
  setting: Handler.Setting,
  implementation: Implementation,
  { ctx, input, key, verified }: Run
): Promise<Exit.Exit<void, unknown>> => {
  const { claims, keyId } = verified
  const driver = new RunDriver()
  const clock = new RunClock(ctx, driver, claims.at)
  const ended = ctx.request().attemptCompletedSignal
  const tracer = RunTracer.reporting(setting.context)
  const sendTrace = RunTracer.ofSends(claims.id, claims.trace)
  let performed: Array<string> = []
  let sends = 0

  const perform = async <A, E, R>(
    name: string,
    effect: Effect.Effect<A, E, R>,
    options: StepOptions<A, E> | undefined,
    context: Context.Context<R>,
    interrupted: AbortSignal
  ): Promise<StepResult.StepResult> => {
    const plain = Span.within(
      () => ({ name: `step ${name}`, attributes: { "tenon.workflow": implementation.workflow.name } }),
      StepResult.encoded(name, effect, options)
    )
    const watched =
      setting.reached === undefined
        ? plain
        : Effect.flatMap(Checkpoint, (reached) =>
            reached("before", name).pipe(
              Effect.andThen(plain),
              Effect.tap(() => reached("executed", name))
            )
          )
    const settled = await Attempt.settle(
      outside(context, tracer),
      watched,
      AbortSignal.any([ended, interrupted])
    ).catch((error: unknown) => {
      if (!interrupted.aborted) throw error
      return undefined
    })
    if (settled === undefined) return { at: Date.now(), interrupted: true }
    if (Result.isFailure(settled)) throw new Error(settled.failure.message)
    performed.push(name)
    return { at: Date.now(), ...settled.success }
  }

  const durable = Durable.of({
    key,
    actor: claims.actor,
    step: (name, effect, options) =>
      Effect.contextWith((context: Context.Context<Effect.Services<typeof effect>>) =>
        Effect.suspend(() => {
          const interruption = new AbortController()
          return driver
            .await(() =>
              ctx.run(name, () => perform(name, effect, options, context, interruption.signal), Attempt.retry)
            )
            .pipe(
              Effect.onInterrupt(() => Effect.sync(() => interruption.abort())),
              Effect.flatMap((result) => {
                clock.advance(result.at)
                return StepResult.decode(result, options)
              })
            )
        })
      ),
    sleep: (duration) => clock.sleep(Duration.fromInputUnsafe(duration)),
    signal: (name) => driver.await(() => ctx.promise<Schema.Json>(name).get()),
    send: (action, to, value) =>
      driver.now(() => {
        const { name, resource } = action
        const delivery: Delivery = {
          _tag: "Send",
          resource,
          action: name,
          key: to,
          input: Decision.encodeJson(action.input, value, `${resource}.${name}`),
          delayMillis: 0
        }
        Undeliverable.refuse(delivery)
        Handler.send(
          setting,
          ctx,
          claims.actor,
          delivery,
          {
            id: SignedContext.follow(claims.id, sends++),
            at: clock.currentTimeMillisUnsafe(),
            ...(sendTrace === undefined ? {} : { trace: sendTrace })
          },
          keyId
        )
      })
  })

  const context = setting.context.pipe(
    Context.add(Scheduler.Scheduler, driver.scheduler),
    Context.add(Clock.Clock, clock),
    Context.add(Random.Random, random(ctx)),
    Context.add(NewId, newId(ctx)),
    Context.add(Durable, durable),
    (made) =>
      tracer === undefined
        ? made
        : Context.add(
            made,
            Tracer.Tracer,
            RunTracer.make(tracer, claims.id, () => !Handler.isFirst(ctx))
          )
  )
  const program = Span.within(
    () => ({
      name: `run ${implementation.workflow.name}`,
      kind: "server",
      attributes: { "tenon.workflow": implementation.workflow.name, "tenon.tenant": claims.actor.tenantId }
    }),
    implementation.run(input)
  )
  const between = () => {
    const { reached } = setting
    if (reached === undefined || performed.length === 0) return undefined
    const names = performed
    performed = []
    return Promise.all(names.map((name) => reached("journaled", name))).then(() => {})
  }
  return driver.run(context, Span.resume(claims.trace, program), between)
}

/** The context of a step's body: the world's scheduler, clock, chance and tracer again. */
const outside = <R>(context: Context.Context<R>, tracer: Tracer.Tracer | undefined): Context.Context<R> =>
  tracer === undefined ? omitted(context) : Context.add(omitted(context), Tracer.Tracer, tracer)

const omitted = Context.omit(Scheduler.Scheduler, Clock.Clock, Random.Random, NewId, Tracer.Tracer) as <R>(
  context: Context.Context<R>
) => Context.Context<R>
