/**
 * A long-running program, named and typed here and implemented elsewhere by a Layer, so that an action can start one
 * without knowing what it does or where it runs.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import type { Durable } from "./Durable.ts"
import type { Fields } from "./Field.ts"
import { NewId } from "./NewId.ts"
import type { Outcome } from "./Outcome.ts"
import type { Begun, Forkable } from "./RunJournal.ts"

/** The declaration of a workflow: its name, its input and the signals that a run of it understands. */
export interface Workflow<out Input, out Signals> {
  readonly _tag: "Workflow"
  readonly name: string
  readonly input: Schema.Codec<Input, unknown>
  readonly signals: { readonly [S in keyof Signals]: Schema.Codec<Signals[S], unknown> }
}

/** Any workflow. */
export interface Any {
  readonly _tag: "Workflow"
  readonly name: string
  readonly input: Schema.Codec<unknown, unknown>
  readonly signals: { readonly [name: string]: Schema.Codec<unknown, unknown> }
}

/** The input of a workflow. */
export type InputOf<W extends Any> = W["input"]["Type"]

/** The payloads of a workflow's signals, by name. */
export type SignalsOf<W extends Any> = { readonly [S in keyof W["signals"]]: W["signals"][S]["Type"] }

/** Declares a workflow. Its name is unique in a registry. */
export const make = <const F extends Fields, const S extends { readonly [name: string]: Schema.Codec<any, any> } = {}>(
  name: string,
  options: { readonly input: F; readonly signals?: S }
): Workflow<Schema.Struct.Type<F>, { readonly [K in keyof S]: S[K]["Type"] }> => ({
  _tag: "Workflow",
  name,
  input: Schema.Struct(options.input),
  signals: (options.signals ?? {}) as never
})

/** A run that something befell of which its own program cannot tell. */
export interface Befallen<out Input> {
  readonly key: string
  readonly input: Input
}

/** A run that was paused because of a bug. */
export interface Paused<out Input> extends Befallen<Input> {
  /** What an operator is told. */
  readonly problem: string
}

/** What else can be said of a workflow's program. */
export interface ImplementOptions<W extends Any> {
  readonly forkable?: Forkable
  /** Whether this is begun by a run that fails: what leads a fork there at once leads to nothing new. */
  readonly fails?: (begun: Begun) => boolean
  /** What is to be sent where a bug pauses a run, on its actor's behalf. Only the sends and signals count. */
  readonly whenPaused?: (run: Paused<InputOf<W>>) => Outcome<unknown>
  /**
   * The same where a run that its runtime had lost goes on from what is recorded of it: signals that came meanwhile are
   * lost with the runtime's data. Only a runtime that keeps its journal elsewhere (Restate) can lose a run like that;
   * one whose rows are gone begins anew.
   */
  readonly whenRevived?: (run: Befallen<InputOf<W>>) => Outcome<unknown>
  /**
   * Signals that a run is to hear of though it is in the middle of a long step. A runtime that has no other way to tell
   * it (Restate) begins that step anew, so name those only that put an end to it.
   */
  readonly urgent?: ReadonlyArray<keyof SignalsOf<W> & string>
}

/** The program of a workflow, with what it was given. */
export interface Implementation {
  readonly workflow: Any
  /** What the program was given, over what is around it: what `run` needs besides a run's own. */
  readonly within: (around: Context.Context<never>) => Context.Context<never>
  readonly run: (input: unknown) => Effect.Effect<void, unknown, Durable>
  /** Which operations of an earlier run another one can begin with. Default: all. */
  readonly forkable: Forkable | undefined
  readonly fails: ((begun: Begun) => boolean) | undefined
  readonly whenPaused: ((run: Paused<unknown>) => Outcome<unknown>) | undefined
  readonly whenRevived: ((run: Befallen<unknown>) => Outcome<unknown>) | undefined
  readonly urgent: ReadonlyArray<string>
}

/** The programs of an application's workflows, by name; the runtime runs them. */
export class Workflows extends Context.Service<Workflows, ReadonlyMap<string, Implementation>>()(
  "@tenon/core/Workflows"
) {}

/**
 * Time, chance, the order of fibers and spans are the run's: what the layer was built with must not stand in for them.
 */
const ofRun = Context.omit(Clock.Clock, NewId, Random.Random, Scheduler.Scheduler, Tracer.Tracer, Tracer.ParentSpan)

/** Says what a workflow does: an Effect program over `Durable` and whatever services `layer` is given. */
export const implement = <W extends Any, E, R>(
  workflow: W,
  run: (input: InputOf<W>) => Effect.Effect<void, E, R>,
  { fails, forkable, urgent = [], whenPaused, whenRevived }: ImplementOptions<W> = {}
): Effect.Effect<Implementation, never, Exclude<R, Durable>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Durable>>) =>
    Effect.succeed<Implementation>({
      workflow,
      within: over(ofRun(context)),
      forkable,
      fails,
      urgent,
      whenPaused: whenPaused as Implementation["whenPaused"],
      whenRevived: whenRevived as Implementation["whenRevived"],
      run: run as Implementation["run"]
    })
  )

/** Puts services over what is around them; most runs of a workflow begin in one context. */
const over = (services: Context.Context<never>): Implementation["within"] => {
  let last: { readonly around: object; readonly all: Context.Context<never> } | undefined
  return (around) => {
    if (last?.around !== around) last = { around, all: Context.merge(around, services) }
    return last.all
  }
}

/** The names of declared workflows for which there is no program here. */
export const withoutProgram = (declared: ReadonlyArray<Any>, programs: Workflows["Service"]): ReadonlyArray<string> =>
  declared.filter(({ name }) => !programs.has(name)).map(({ name }) => name)

/**
 * Says once, as a runtime starts, of which workflows it will not run anything: a run of theirs waits, and looks alive.
 */
export const tellOfMissing = (declared: ReadonlyArray<Any>, programs: Workflows["Service"]): Effect.Effect<void> => {
  const missing = withoutProgram(declared, programs)
  return missing.length === 0
    ? Effect.void
    : Effect.logWarning(
        `This process has no program for ${missing.join(", ")}: what is started of these waits until another process ` +
          "runs it. Where none does, put `Workflow.implement` of each into `Workflow.layer`"
      )
}

/** Provides the programs of all workflows. */
export const layer = <I extends ReadonlyArray<Effect.Effect<Implementation, never, any>>>(
  ...implementations: I
): Layer.Layer<Workflows, never, Effect.Services<I[number]>> =>
  Layer.effect(
    Workflows,
    Effect.gen(function* () {
      const byName = new Map<string, Implementation>()
      for (const each of implementations) {
        const made = yield* each as Effect.Effect<Implementation, never, Effect.Services<I[number]>>
        byName.set(made.workflow.name, made)
      }
      return byName
    })
  )
