/** The kind of channel that posts to a URL. */
import * as Schema from "effect/Schema"
import * as ChannelKind from "./ChannelKind.ts"

const Target = Schema.String.check(
  Schema.isMaxLength(2000),
  Schema.makeFilter((text: string) => {
    const url = URL.parse(text)
    if (url === null) return "must be a URL"
    if (url.protocol !== "https:" && url.protocol !== "http:") return "must begin with https:// or http://"
    return url.username === "" && url.password === "" ? undefined : "must not contain a user name or password"
  })
)

/** Where to post, and how long to wait for an answer (milliseconds, 10 seconds unless told otherwise). */
export const kind = ChannelKind.make(
  "webhook",
  Schema.Struct({
    url: Target,
    timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 60_000 })))
  })
)
