/** What channels and their deliveries may refuse. */
import * as Schema from "effect/Schema"

/** The application has no channels of this kind. */
export class UnknownChannelKind extends Schema.TaggedError<UnknownChannelKind>()(
  "UnknownChannelKind",
  { kind: Schema.String, known: Schema.Array(Schema.String) },
  { httpStatus: 422, description: "The application has no channels of this kind." }
) {
  override get message() {
    return `There are no channels of the kind ${JSON.stringify(this.kind)}; there are: ${this.known.join(", ")}.`
  }
}

/** The configuration does not fit the channel's kind; `reasons` lists every fault. */
export class ChannelConfigInvalid extends Schema.TaggedError<ChannelConfigInvalid>()(
  "ChannelConfigInvalid",
  { kind: Schema.String, reasons: Schema.Array(Schema.String) },
  { httpStatus: 422, description: "The configuration does not fit the channel's kind; every fault is listed." }
) {
  override get message() {
    return `This configuration does not fit a channel of the kind ${this.kind}. ${this.reasons.join("; ")}`
  }
}

/** The delivery's status does not allow this. */
export class DeliverySettled extends Schema.TaggedError<DeliverySettled>()(
  "DeliverySettled",
  { delivery: Schema.String, status: Schema.String },
  { httpStatus: 409, description: "The delivery's status does not allow this." }
) {
  override get message() {
    return `The delivery ${this.delivery} is ${this.status}, so this cannot be done to it.`
  }
}
