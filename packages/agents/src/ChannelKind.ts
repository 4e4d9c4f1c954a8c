/** A kind of channel as a declaration: its name and what it is configured with. What it does is its adapter's. */
import * as Issues from "@tenon/core/Issues"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ChannelConfigInvalid } from "./ChannelFailure.ts"
import * as JsonAnswer from "./JsonAnswer.ts"

/** A kind of channel, with the schema of its configuration. */
export interface ChannelKind<out Config> {
  readonly name: string
  readonly config: Schema.Codec<Config, unknown>
}

/** Any kind. */
export type Any = ChannelKind<unknown>

/** Declares a kind of channel. Its name is unique in an application. */
export const make = <Config>(name: string, config: Schema.Codec<Config, unknown>): ChannelKind<Config> => ({
  name,
  config
})

/** Reads a channel's configuration, or lists every fault. */
export const decode = <Config>(
  { config, name }: ChannelKind<Config>,
  json: Schema.Json
): Result.Result<Config, ChannelConfigInvalid> =>
  Result.mapError(
    Schema.decodeUnknownResult(Schema.toCodecJson(config), { errors: "all", onExcessProperty: "error" })(json),
    (error) => new ChannelConfigInvalid({ kind: name, reasons: Issues.fromSchema(error).map(JsonAnswer.worded) })
  )
