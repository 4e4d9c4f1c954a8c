/** Reads and writes the bytes of a message. */
import * as Issues from "@tenon/core/Issues"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Envelope from "./Envelope.ts"
import { isEnvelope } from "./EnvelopeCheck.ts"
import { Refused } from "./Refused.ts"
import * as StrictJson from "./StrictJson.ts"
import * as TraceContext from "./TraceContext.ts"

const decodeEnvelope = Schema.decodeUnknownEffect(Envelope.Envelope)

const { Branch, BranchCompensation, BranchStep, CompensationLog, Headers, RoutingSlip, Scatter, Step } = Envelope
const structs = [Envelope.Envelope, Headers, RoutingSlip, Branch, Step, BranchStep, Scatter, CompensationLog]
const others = [BranchCompensation, Envelope.ActivityLog, Envelope.Fault, Envelope.Revision, Envelope.SecurityContext]
/** The names that an envelope's fields have; any other is its sender's. */
const known = new Set([...structs, ...others].flatMap(({ fields }) => Object.keys(fields)))
const isTold = (part: string) => known.has(part) || /^\d{1,6}$/.test(part)

/** The first thing that is wrong, and where, without a word of the message itself: this is shown in lists. */
const faultOf = (error: Schema.SchemaError): string => {
  const [{ message, path } = { message: "", path: "" }] = Issues.fromSchema(error)
  const place = path.split(".").map((part) => (isTold(part) ? part : "…"))
  return `it is not an envelope: ${path === "" ? "" : `${place.join(".")}: `}${message}`
}

/** Reads an envelope from bytes of strangers. */
export const decode = (
  body: Uint8Array,
  limits: StrictJson.Limits = StrictJson.defaultLimits
): Effect.Effect<Envelope.Envelope, Refused> => {
  const json = StrictJson.parseBytes(body, limits)
  if (Result.isFailure(json)) return Effect.fail(new Refused(json.failure))
  if (isEnvelope(json.success)) return traced(json.success)
  return decodeEnvelope(json.success, { onExcessProperty: "error" }).pipe(
    Effect.mapError((error) => new Refused({ reason: "malformed", detail: faultOf(error) })),
    Effect.flatMap(traced)
  )
}

/** Refuses an envelope with too large a trace. */
const traced = (envelope: Envelope.Envelope): Effect.Effect<Envelope.Envelope, Refused> => {
  const bytes = TraceContext.sizeOf(envelope.headers.trace_context)
  if (bytes <= TraceContext.most) return Effect.succeed(envelope)
  const detail = `its trace context has ${bytes} bytes, more than ${TraceContext.most}`
  return Effect.fail(new Refused({ reason: "too-large", detail }))
}

/** Writes an envelope, which is JSON as it is: what goes out was read by `decode` or made by this package. */
export const encode = (envelope: Envelope.Envelope): Uint8Array =>
  Buffer.from(JSON.stringify(envelope satisfies typeof Envelope.Envelope.Encoded))

/**
 * How large a message is: the bytes of all of it that can be signed, as `encode` writes them. Whatever else somebody on
 * its way adds, spaces or a trace, must not decide what becomes of the slip.
 */
export const sizeOf = (envelope: Envelope.Envelope, encoded: Uint8Array = encode(envelope)): number =>
  encoded.byteLength - TraceContext.sizeOf(envelope.headers.trace_context)
