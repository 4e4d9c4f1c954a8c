/**
 * What a run's program has of its own, so that a replay can repeat it, and what a step's body has back of the world.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import { Durable } from "./Durable.ts"
import { NewId } from "./NewId.ts"
import { newId, random } from "./RunClock.ts"

/** A run's own. */
export interface Own {
  readonly scheduler: Scheduler.Scheduler
  readonly clock: Clock.Clock
  /** Gives numbers between 0 and 1. */
  readonly draw: () => number
  readonly durable: Durable["Service"]
  /** `undefined` where nobody records spans. */
  readonly tracer: Tracer.Tracer | undefined
}

/** The context of a run's program: everything around it, but with turns, time, chance and spans of its own. */
export const inside = (around: Context.Context<never>, own: Own): Context.Context<Durable> => {
  const context = around.pipe(
    Context.add(Scheduler.Scheduler, own.scheduler),
    Context.add(Clock.Clock, own.clock),
    Context.add(Random.Random, random(own.draw)),
    Context.add(NewId, newId(own.draw)),
    Context.add(Durable, own.durable)
  )
  return own.tracer === undefined ? context : Context.add(context, Tracer.Tracer, own.tracer)
}

/** The context of a step's body, made of the program's at that place. */
export interface Outside {
  <R>(context: Context.Context<R>): Context.Context<R>
}

/** Gives the world's turns, time and chance back, and the tracer that reports. */
export const outside = (tracer: Tracer.Tracer | undefined): Outside => {
  // Most steps of a run are taken in one context.
  let last: { readonly inside: object; readonly outside: Context.Context<never> } | undefined
  return (<R>(context: Context.Context<R>) => {
    if (last?.inside !== context) {
      const world = omitted(context)
      last = { inside: context, outside: tracer === undefined ? world : Context.add(world, Tracer.Tracer, tracer) }
    }
    return last.outside
  }) as Outside
}

const omitted = Context.omit(Scheduler.Scheduler, Clock.Clock, Random.Random, NewId, Tracer.Tracer)
