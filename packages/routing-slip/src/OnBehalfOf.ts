/* oxlint-disable typescript/no-explicit-any -- the pipe of an activity with whatever arguments. */
/** Has an activity call others on behalf of the slip's user. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Activity from "./Activity.ts"
import { ActivityContext } from "./ActivityContext.ts"
import { AuthorityExpired, type ExchangeFailure, type Target, TokenExchange } from "./TokenExchange.ts"

/** The authority that the execution or compensation at hand acts under. */
export class AccessToken extends Context.Service<
  AccessToken,
  {
    /** The user's while the slip goes forward, the workload's own while it turns back. */
    readonly identity: "user" | "workload"
    /** A token that is good now; ask again rather than keep it, since a long step may outlive it. */
    readonly current: Effect.Effect<Redacted.Redacted<string>, ExchangeFailure>
  }
>()("@tenon/routing-slip/AccessToken") {}

/** The authority at hand for a target. */
const authority = (target: Target) =>
  Effect.gen(function* () {
    const tokens = yield* TokenExchange
    const { oboToken, phase } = yield* ActivityContext
    if (phase === "compensate") {
      return AccessToken.of({
        identity: "workload",
        current: Effect.map(tokens.workload(target), ({ token }) => token)
      })
    }
    return AccessToken.of({
      identity: "user",
      current:
        oboToken === undefined
          ? Effect.fail(new AuthorityExpired({ reason: "the slip travels without a user's token" }))
          : Effect.map(tokens.exchange(oboToken, target), ({ token }) => token)
    })
  })

/**
 * Gives the activity an `AccessToken` for the target. It is fetched before anything is executed: where the user's token
 * is accepted no more the slip is suspended until it gets a fresh one, and so it is where the activity itself fails
 * with `AuthorityExpired`. Compensation gets a token of the workload.
 */
export const exchange =
  (target: Target) =>
  <Name extends string, Arguments, R>(
    self: Activity.Activity<Name, Arguments, R>
  ): Activity.Activity<Name, Arguments, Exclude<R, AccessToken> | TokenExchange> =>
    Activity.around(
      self,
      (effect) =>
        Effect.gen(function* () {
          const access = yield* authority(target)
          yield* access.current
          return yield* Effect.provideService(effect, AccessToken, access)
        }),
      target.audience
    )
