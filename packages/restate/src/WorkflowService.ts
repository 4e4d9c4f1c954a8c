/** What Restate serves for a workflow: `run`, which runs its program once per key, and a handler for each signal. */
import * as restate from "@restatedev/restate-sdk"
import { isCrash } from "@tenon/core/Checkpoint"
import type { Actor } from "@tenon/core/Actor"
import * as FollowUp from "@tenon/core/FollowUp"
import type { Delivery } from "@tenon/core/Invocation"
import * as RunBody from "@tenon/core/RunBody"
import { signalName, type Status } from "@tenon/core/RunJournal"
import * as RunForking from "@tenon/core/RunForking"
import * as RunOrigin from "@tenon/core/RunOrigin"
import type { Implementation } from "@tenon/core/Workflow"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Attempt from "./Attempt.ts"
import * as Bug from "./Bug.ts"
import * as DurableRestate from "./DurableRestate.ts"
import * as ForkSource from "./ForkSource.ts"
import * as Handler from "./Handler.ts"
import * as JsonSerde from "./JsonSerde.ts"
import { Overdue } from "./Overdue.ts"
import { RunMirror, Written } from "./RunMirror.ts"
import * as ServiceOptions from "./ServiceOptions.ts"
import * as SignalPayload from "./SignalPayload.ts"
import * as SignedContext from "./SignedContext.ts"
import * as Target from "./Target.ts"
import * as WireError from "./WireError.ts"
import type { Definition } from "./VirtualObject.ts"

const decoder = new TextDecoder()

/** Hands over what follows from a pause. It does not go through the journal, which a run with a bug may not fit. */
const follow = (
  { context, runtime }: Handler.Setting,
  actor: Actor,
  invocation: string,
  deliveries: ReadonlyArray<Delivery>
): Promise<void> =>
  Effect.forEach(
    deliveries,
    (delivery, index) => runtime?.deliver(actor, delivery, `${invocation}/paused/${index}`) ?? Effect.void,
    { discard: true }
  ).pipe(
    Effect.retry({ schedule: RunBody.backoff, times: 8 }),
    Effect.tapCause((cause) => Effect.logError("Nobody could be told that a run is paused", Cause.pretty(cause))),
    Effect.ignore,
    Effect.runPromiseWith(context)
  )

/** The service of a workflow. `pause` asks Restate to pause an invocation until an operator resumes it. */
export const make = (
  setting: Handler.Setting,
  implementation: Implementation,
  options: ServiceOptions.ServiceOptions,
  pause: (invocationId: string) => Promise<void>
): Definition => {
  const { workflow } = implementation
  const decodeInput = Schema.decodeUnknownOption(Schema.toCodecJson(workflow.input))
  const defects = new Map<string, number>()
  const written = new Written()
  /** Those of the attempts in this process, by the keys that Restate knows their runs by. */
  const overdue = new Map<string, Overdue>()

  const run = async (ctx: restate.WorkflowContext, body: Uint8Array): Promise<null> => {
    const verified = Handler.verified(setting, ctx, body)
    const key = Target.ownKey(verified.claims.actor.tenantId, ctx.key) ?? ctx.key
    const raw = JSON.parse(decoder.decode(body)) as Schema.Json
    const input = decodeInput(raw)
    if (Option.isNone(input))
      throw new restate.TerminalError(`The input of ${workflow.name} does not fit`, { errorCode: 400 })
    const { attemptCompletedSignal, id } = ctx.request()
    const { tenantId } = verified.claims.actor
    // Nothing is handed out again: of an earlier run with this id, which Restate has lost, nothing need be there.
    if (Handler.isFirst(ctx)) written.forget(id)
    const { actor, at, id: seed } = verified.claims
    const own = { seed, beganAt: at }
    const mirrored = { tenantId, workflow: workflow.name, key, beginning: { ...own, actor } }
    const mirror = new RunMirror(setting, mirrored, written, id)
    let paused: string | undefined
    const suspended = () => mirror.stand({ status: paused === undefined ? "waiting" : "paused", problem: paused })
    const pausing = async (problem: unknown) => {
      paused = RunBody.wordsOf(problem)
      const cause = problem instanceof restate.PauseError ? problem.cause : problem
      await Bug.tellOfPause(
        setting.context,
        "A run",
        { workflow: workflow.name, run: key, tenant: tenantId },
        id,
        cause
      )
      const deliveries = FollowUp.whenPaused(implementation, { key, input: raw }, paused)
      await follow(setting, verified.claims.actor, id, deliveries)
    }
    const attempt = async () => {
      const begun = await forkedOf(ctx, verified.claims, { key, input: raw }, own)
      const isRevived = begun.forked.length > 0 && verified.claims.fork?.key === key
      if (isRevived) retell(ctx, verified, { key, input: raw })
      return DurableRestate.attempt(setting, implementation, {
        ctx,
        verified,
        key,
        input: input.value,
        mirror,
        overdue: mine,
        pausing,
        ...begun
      })
    }
    attemptCompletedSignal.addEventListener("abort", suspended, { once: true })
    const mine = new Overdue()
    if (implementation.urgent.length > 0) {
      overdue.set(ctx.key, mine)
      const forget = () => void (overdue.get(ctx.key) === mine && overdue.delete(ctx.key))
      attemptCompletedSignal.addEventListener("abort", forget, { once: true })
    }
    const exit = await attempt().catch((defect: unknown) => Exit.die(defect))
    attemptCompletedSignal.removeEventListener("abort", suspended)
    if (Exit.isSuccess(exit)) {
      defects.delete(id)
      mirror.stand({ status: "done", problem: undefined })
      return null
    }
    const problem = Cause.squash(exit.cause)
    const failed = (status: Status) => mirror.stand({ status, problem: RunBody.wordsOf(problem) })
    if (problem instanceof restate.TerminalError) {
      failed(problem instanceof restate.CancelledError ? "cancelled" : "failed")
      throw problem
    }
    if (Cause.hasDies(exit.cause)) {
      const pauses = !isCrash(problem) && (await onDefect(id))
      if (pauses) await pausing(problem)
      failed(pauses ? "paused" : "waiting")
      throw problem instanceof Error ? problem : new Error(RunBody.wordsOf(problem))
    }
    if (Cause.hasFails(exit.cause)) {
      failed("failed")
      throw WireError.toTerminal(problem)
    }
    mirror.stand({ status: "cancelled", problem: undefined })
    throw new restate.CancelledError()
  }

  /** What the run begins with, read once. */
  const forkedOf = async (
    ctx: restate.WorkflowContext,
    { actor, fork, id }: SignedContext.Claims,
    { input, key }: { readonly key: string; readonly input: Schema.Json },
    own: RunOrigin.Origin
  ): Promise<Pick<DurableRestate.Run, "forked" | "id" | "origin">> => {
    const { context, journal } = setting
    const itself = { forked: [], origin: own, id }
    if (fork === undefined || journal === undefined) return itself
    const other = { tenantId: actor.tenantId, workflow: workflow.name, key: fork.key }
    return ctx.run(
      "fork",
      async () => {
        const source = await Effect.runPromiseWith(context)(ForkSource.read(journal, other, fork, key))
        if (source === undefined) return itself
        const forking = { workflow: workflow.name, key, id, actor, input, beganAt: own.beganAt, fork }
        const forked = [...(await Effect.runPromiseWith(context)(RunForking.begin(implementation, forking, source)))]
        const begins = fork.key === key ? source.origin : own
        return { forked, origin: RunOrigin.originOf(forked, begins), id: begins.seed }
      },
      Attempt.retry
    )
  }

  /** Sends what follows where the run was lost and goes on, from its journal. */
  const retell = (
    ctx: restate.WorkflowContext,
    { claims, keyId }: SignedContext.Verified,
    run: { readonly key: string; readonly input: Schema.Json }
  ): void => {
    const { actor, at, id, trace } = claims
    for (const [index, delivery] of FollowUp.whenRevived(implementation, run).entries()) {
      const once = SignedContext.named("revived", id, String(index))
      Handler.send(setting, ctx, actor, delivery, { id: once, at, ...(trace === undefined ? {} : { trace }) }, keyId)
    }
  }

  /** Whether the run was paused. */
  const onDefect = async (id: string): Promise<boolean> => {
    const count = (defects.get(id) ?? 0) + 1
    if (defects.size > 10_000) defects.clear()
    defects.set(id, count)
    if (count < RunBody.defectAttempts) return false
    defects.delete(id)
    await pause(id)
    return true
  }

  const signal = (name: string) => async (ctx: restate.WorkflowSharedContext, body: Uint8Array) => {
    const { claims } = Handler.verified(setting, ctx, body)
    const kept = SignalPayload.write(JSON.parse(decoder.decode(body)), claims.at)
    try {
      await ctx.promise<Schema.Json>(signalName(name, claims.signal)).resolve(kept)
    } catch (error) {
      // The first of a name and id counts; what came after it, Restate refuses.
      if (!(error instanceof restate.TerminalError) || error instanceof restate.CancelledError) throw error
    }
    if (implementation.urgent.includes(name)) overdue.get(ctx.key)?.came(signalName(name, claims.signal))
    return null
  }

  const output = JsonSerde.json({ type: "null" })
  return restate.workflow({
    name: workflow.name,
    options: ServiceOptions.ofWorkflows(options),
    handlers: {
      [Target.run]: restate.handlers.workflow.workflow(
        { input: JsonSerde.raw(JsonSerde.jsonSchema(workflow.input)), output },
        run
      ),
      ...Object.fromEntries(
        Object.entries(workflow.signals).map(([name, schema]) => [
          name,
          restate.handlers.workflow.shared({ input: JsonSerde.raw(JsonSerde.jsonSchema(schema)), output }, signal(name))
        ])
      )
    }
  } as never)
}
