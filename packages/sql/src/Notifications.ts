/**
 * Listens to PostgreSQL's notifications (`listen` and `notify`, PostgreSQL manual, chapter 40). They are hints: one
 * that is sent while the connection is down is lost, so a listener looks by itself now and then, and whenever it is
 * told that the connection is new. A pooler in transaction mode passes nothing on.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type * as Redacted from "effect/Redacted"

/** Hears what is notified. */
export class Notifications extends Context.Service<
  Notifications,
  {
    /**
     * Calls back with each payload on a channel, and with undefined once it listens and whenever it listens anew after
     * a lost connection. It never ends by itself.
     */
    readonly listen: (
      channel: string,
      hear: (payload: string | undefined) => Effect.Effect<void>
    ) => Effect.Effect<never>
  }
>()("@tenon/sql/Notifications") {}

const pause = "1 second"
/** Nothing is sent on the connection, so that only this finds out where what lies between has forgotten it. */
const keepAlive = "30 seconds"

/** One connection for each channel that is listened to, opened anew when it is lost. */
export const layer = (options: { readonly url: Redacted.Redacted }): Layer.Layer<Notifications> =>
  Layer.succeed(Notifications, {
    listen: (channel, hear) =>
      Effect.gen(function* () {
        const listening = yield* Effect.scope
        return yield* Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* PgConnection.make({
              url: options.url,
              applicationName: "tenon-listen",
              keepAlive
            })
            // Ends after the connection: before it, it would wait for a server that may not answer to be told so.
            const heard = yield* Scope.provide(connection.listen(channel), listening)
            yield* hear(undefined)
            return yield* Queue.take(heard).pipe(
              Effect.flatMap(({ payload }) => hear(payload)),
              Effect.forever
            )
          })
        )
      }).pipe(
        Effect.scoped,
        Effect.catchCause((cause) => Effect.logDebug("The listener's connection is gone", cause)),
        Effect.andThen(Effect.sleep(pause)),
        Effect.forever
      )
  })

/** The same, from `DATABASE_URL`. */
export const layerConfig: Layer.Layer<Notifications, Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    return layer({ url: yield* Config.Redacted("DATABASE_URL") })
  })
)
