/** What routes that stand beside those of resources read from a query string. */
import { InvalidInput } from "@tenon/core/Failure"
import * as Issues from "@tenon/core/Issues"
import type { Exchange } from "@tenon/http/Exchange"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A schema's refusal, as a problem that names each field. */
export const invalid = (error: Schema.SchemaError): InvalidInput =>
  new InvalidInput({ issues: Issues.fromSchema(error) })

/** The parameters, as a schema has them; one that comes twice, or that it does not know, is a fault. */
export const decode = <A>(schema: Schema.Codec<A, { readonly [name: string]: unknown }>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return ({ query }: Exchange): Effect.Effect<A, InvalidInput> => {
    const found = new URLSearchParams(query)
    const names = [...found.keys()]
    const twice = names.filter((name, index) => names.indexOf(name) !== index)
    return twice.length === 0
      ? Effect.mapError(decode(Object.fromEntries(found), { errors: "all", onExcessProperty: "error" }), invalid)
      : Effect.fail(new InvalidInput({ issues: twice.map((path) => ({ path, message: "is given more than once" })) }))
  }
}

/** Refuses any. */
export const none = ({ query }: Exchange): Effect.Effect<void, InvalidInput> =>
  query === ""
    ? Effect.void
    : Effect.fail(new InvalidInput({ issues: [{ path: "", message: "this route takes no parameters" }] }))

/** How OpenAPI tells of one. */
export const parameter = (name: string, description: string, schema: { readonly [keyword: string]: unknown }) => ({
  name,
  in: "query",
  description,
  schema
})
