/**
 * A fact that happened in the domain, told to whoever listens. Declared once, emitted by actions through an Outcome.
 */
import * as Schema from "effect/Schema"
import type { Fields } from "./Field.ts"

/** The declaration of an event: its name and the schema of its payload. */
export interface DomainEvent<out Payload> {
  readonly _tag: "DomainEvent"
  readonly name: string
  readonly payload: Schema.Codec<Payload, unknown>
}

/** Any event, whatever its payload. */
export type Any = DomainEvent<unknown>

/** The payload of an event. */
export type PayloadOf<E extends Any> = E["payload"]["Type"]

/** Declares an event. Its name is unique in a registry. */
export const make = <const F extends Fields>(
  name: string,
  options: { readonly payload: F }
): DomainEvent<Schema.Struct.Type<F>> => ({
  _tag: "DomainEvent",
  name,
  payload: Schema.Struct(options.payload)
})
