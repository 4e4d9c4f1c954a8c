/** What the parts of a run's context share. */
import type { Durable } from "@tenon/core/Durable"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { RunOver } from "./AgentFailure.ts"
import type { Failures } from "./Failures.ts"

/** The run at hand. */
export interface Run {
  readonly agent: string
  readonly durable: Durable["Service"]
  readonly events: RunEvents["Service"]
  readonly failures: Failures
  readonly threadId: string
  /** A key for the next thing of a kind that the run makes. */
  readonly nextKey: (kind: string) => string
}

/** A run that was ended from outside stops where it notices; anything else that the thread refuses is a bug. */
export const settled = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A> =>
  Effect.catch(effect, (failure) => (failure instanceof RunOver ? Effect.interrupt : Effect.die(failure)))

/** The instant a duration from now; none where that is further away than instants go. */
export const after = (duration: Duration.Input): Effect.Effect<DateTime.Utc | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => Option.getOrUndefined(DateTime.make(now + Duration.toMillis(duration))))

/** How long it is until an instant. */
export const until = (instant: DateTime.Utc) =>
  Effect.map(Clock.currentTimeMillis, (now) => Math.max(0, DateTime.toEpochMillis(instant) - now))
