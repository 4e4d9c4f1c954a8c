/**
 * A long-running program, named and typed here and implemented elsewhere by a Layer, so that an action can start one
 * without knowing what it does or where it runs.
 */
import * as Schema from "effect/Schema"
import type { Fields } from "./Field.ts"

/** The declaration of a workflow: its name, its input and the signals that a run of it understands. */
export interface Workflow<out Input, out Signals> {
  readonly _tag: "Workflow"
  readonly name: string
  readonly input: Schema.Codec<Input, unknown>
  readonly signals: { readonly [S in keyof Signals]: Schema.Codec<Signals[S], unknown> }
}

/** Any workflow. */
export interface Any {
  readonly _tag: "Workflow"
  readonly name: string
  readonly input: Schema.Codec<unknown, unknown>
  readonly signals: { readonly [name: string]: Schema.Codec<unknown, unknown> }
}

/** The input of a workflow. */
export type InputOf<W extends Any> = W["input"]["Type"]

/** The payloads of a workflow's signals, by name. */
export type SignalsOf<W extends Any> = { readonly [S in keyof W["signals"]]: W["signals"][S]["Type"] }

/** Declares a workflow. Its name is unique in a registry. */
export const make = <const F extends Fields, const S extends { readonly [name: string]: Schema.Codec<any, any> } = {}>(
  name: string,
  options: { readonly input: F; readonly signals?: S }
): Workflow<Schema.Struct.Type<F>, { readonly [K in keyof S]: S[K]["Type"] }> => ({
  _tag: "Workflow",
  name,
  input: Schema.Struct(options.input),
  signals: (options.signals ?? {}) as never
})
