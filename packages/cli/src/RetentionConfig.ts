/** Settings that say for how long something is kept, as "30 days". */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Too short: what is kept answers for work that an outage has held up. Too long: no database can reckon with it. */
export class RetentionUnsound extends Schema.TaggedError<RetentionUnsound>()("RetentionUnsound", {
  setting: Schema.String
}) {
  override get message() {
    return `${this.setting} must be a day at least, and ten thousand days at most.`
  }
}

/** A setting and its default. */
export const retention = (setting: string, fallback: Duration.Duration) =>
  Config.Duration(setting).pipe(
    Config.withDefault(fallback),
    Effect.filterOrFail(
      (given) => Duration.between(given, { minimum: Duration.days(1), maximum: Duration.days(10_000) }),
      () => new RetentionUnsound({ setting })
    )
  )
