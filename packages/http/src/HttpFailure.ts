/** What the HTTP door itself may refuse, before an action is reached. */
import type * as Action from "@tenon/core/Action"
import * as Schema from "effect/Schema"

/** Nothing is served at this path. */
export class UnknownRoute extends Schema.TaggedError<UnknownRoute>()(
  "UnknownRoute",
  {},
  { httpStatus: 404, description: "Nothing is served at this path." }
) {
  override get message() {
    return "Nothing is served at this path; /openapi.json lists what is."
  }
}

/** The path is served, by other methods. */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()(
  "MethodNotAllowed",
  { allowed: Schema.Array(Schema.String) },
  { httpStatus: 405, description: "The path is served, but not with this method." }
) {
  override get message() {
    return `This path answers to ${this.allowed.join(", ")}.`
  }
}

/** The body is not JSON. */
export class MalformedBody extends Schema.TaggedError<MalformedBody>()(
  "MalformedBody",
  { reason: Schema.String },
  { httpStatus: 400, description: "The body is not JSON that can be read." }
) {
  override get message() {
    return `The body cannot be read: ${this.reason}.`
  }
}

/** The body is larger than this server takes. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()(
  "BodyTooLarge",
  { limit: Schema.Int },
  { httpStatus: 413, description: "The body is larger than this server takes." }
) {
  override get message() {
    return `The body is larger than ${this.limit} bytes.`
  }
}

/** The body is of a type or encoding that is not read here. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  { expected: Schema.String },
  { httpStatus: 415, description: "The body is not application/json in UTF-8 without a content encoding." }
) {
  override get message() {
    return `Send the body as ${this.expected}.`
  }
}

/** The body did not arrive in time, so nothing was begun. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()(
  "RequestTimeout",
  { millis: Schema.Int },
  { httpStatus: 408, retryable: true, description: "The body did not arrive in time, and nothing was begun." }
) {
  override get message() {
    return `The body did not arrive within ${this.millis} ms, and nothing was begun.`
  }
}

/** The body is transferred in a coding that is not read here. */
export class UnknownTransferCoding extends Schema.TaggedError<UnknownTransferCoding>()(
  "UnknownTransferCoding",
  {},
  { httpStatus: 501, description: "The body is transferred in a coding other than chunked." }
) {
  override get message() {
    return "Send the body with its length or as chunks, and in no other transfer coding."
  }
}

/** The request does not say, or not clearly, which host it is for. */
export class HostNeeded extends Schema.TaggedError<HostNeeded>()(
  "HostNeeded",
  {},
  { httpStatus: 400, description: "The request names no host, or several." }
) {
  override get message() {
    return "Send one `Host` header."
  }
}

/** No answer came in time. The request may still have been carried out. */
export class Timeout extends Schema.TaggedError<Timeout>()(
  "Timeout",
  { millis: Schema.Int },
  { httpStatus: 504, retryable: true, description: "No answer in time; repeat the request with its Idempotency-Key." }
) {
  override get message() {
    return `There was no answer within ${this.millis} ms. It may still be carried out; repeat it with the same Idempotency-Key.`
  }
}

/** The classes of the door's failures. */
export const classes: ReadonlyArray<Action.ErrorClass> = [
  UnknownRoute,
  MethodNotAllowed,
  MalformedBody,
  BodyTooLarge,
  UnsupportedMediaType,
  UnknownTransferCoding,
  HostNeeded,
  RequestTimeout,
  Timeout
]
