/** Reads and writes the bytes of a message. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Envelope from "./Envelope.ts"
import { isEnvelope } from "./EnvelopeCheck.ts"
import { Refused } from "./Refused.ts"
import * as StrictJson from "./StrictJson.ts"

const decodeEnvelope = Schema.decodeUnknownEffect(Envelope.Envelope)

/** Reads an envelope from bytes of strangers. */
export const decode = (
  body: Uint8Array,
  limits: StrictJson.Limits = StrictJson.defaultLimits
): Effect.Effect<Envelope.Envelope, Refused> => {
  const json = StrictJson.parseBytes(body, limits)
  if (Result.isFailure(json)) return Effect.fail(new Refused(json.failure))
  if (isEnvelope(json.success)) return Effect.succeed(json.success)
  return decodeEnvelope(json.success, { onExcessProperty: "error" }).pipe(
    Effect.mapError(({ message }) => new Refused({ reason: "malformed", detail: message.slice(0, 1_000) }))
  )
}

/** Writes an envelope, which is JSON as it is: what goes out was read by `decode` or made by this package. */
export const encode = (envelope: Envelope.Envelope): Uint8Array =>
  Buffer.from(JSON.stringify(envelope satisfies typeof Envelope.Envelope.Encoded))
