/**
 * Field schemas that carry a meaning the framework acts on: keys, timestamps, versions, positions, defaults.
 *
 * A field is an ordinary Effect Schema. What this module adds is a key annotation that says how a value is filled in,
 * stored or shown; `Column` reads it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** A schema that can be a field: it decodes and encodes without services. */
export interface FieldSchema extends Schema.Constraint {
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/** The fields of a resource or of an action's input, by name. */
export type Fields = { readonly [name: string]: FieldSchema }

type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly "~type.optionality": "optional" } ? K : never
}[keyof F]

/** The fields that a draft must give. */
export type RequiredKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends
    | { readonly "~type.constructor.default": "with-default" }
    | { readonly "~type.optionality": "optional" }
    ? never
    : K
}[keyof F]

/** One object type in the place of an intersection. */
type Flat<T> = { [K in keyof T]: T[K] } & {}

/** The values of fields, by whether some may be absent. */
interface Shapes<F extends Fields> {
  readonly whole: { readonly [K in keyof F]: F[K]["Type"] }
  readonly partial: Flat<
    { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: F[K]["Type"] } & {
      readonly [K in OptionalKeys<F>]?: F[K]["Type"]
    }
  >
}

/**
 * The values of fields: what `Schema.Struct.Type` computes, at a third of its cost, since a domain of a hundred
 * resources computes this some thousand times. It looks a shape up where a conditional type would be plainer, because
 * the compiler works out both branches of a conditional type whenever it infers towards one.
 */
export type Values<F extends Fields> = Shapes<F>[[OptionalKeys<F>] extends [never] ? "whole" : "partial"]

/** The values of fields before defaults are filled in: `Schema.Struct.MakeIn`. */
export type Draft<F extends Fields> = Flat<
  { readonly [K in RequiredKeys<F>]: F[K]["~type.make"] } & {
    readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: F[K]["~type.make"]
  }
>

/** How the framework fills a field that a draft leaves out. */
export type Default =
  | { readonly _tag: "Value"; readonly value: unknown }
  /** The object's key for the resource's own key field, a new id elsewhere. */
  | { readonly _tag: "NewId" }
  /** The action's time, when the row is first saved. */
  | { readonly _tag: "Now" }
  /** The action's time, at every save. */
  | { readonly _tag: "Touch" }
  /** 1 at first, one more at every save. */
  | { readonly _tag: "Version" }
  /** The next gapless number among the rows with the same value in the field `parent`, from 1. */
  | { readonly _tag: "Position"; readonly parent: string }

/** What the framework knows of a field beyond its schema. */
export interface Meta {
  readonly default?: Default
  /** Left out of every output, log and trace. */
  readonly sensitive?: true
  /** Left out of every output to an actor who has none of these roles. */
  readonly visibleTo?: ReadonlyArray<string>
  /** The field's name in the release before this one. */
  readonly renamedFrom?: string
}

const metaKey = "~tenon/field"

/** The framework's annotation of a field, empty where there is none. */
export const meta = (field: Schema.Constraint): Meta => metaIn(Schema.resolveAnnotationsKey(field))

const metaIn = (annotations: { readonly [key: string]: unknown } | undefined): Meta => {
  const found = annotations?.[metaKey]
  return typeof found === "object" && found !== null ? found : {}
}

/** Whether key annotations, as a schema's AST holds them, mark a field that an actor with these roles is not shown. */
export const isHiddenFrom = (
  annotations: { readonly [key: string]: unknown } | undefined,
  roles: ReadonlySet<string>
): boolean => {
  const { sensitive, visibleTo } = metaIn(annotations)
  return sensitive === true || (visibleTo !== undefined && !visibleTo.some((role) => roles.has(role)))
}

/** The roles that key annotations speak of. */
export const rolesOf = (annotations: { readonly [key: string]: unknown } | undefined): ReadonlyArray<string> =>
  metaIn(annotations).visibleTo ?? []

const withMeta = (field: Schema.Constraint, added: Meta) => ({ [metaKey]: { ...meta(field), ...added } })

const fromContext = Effect.fail(
  new SchemaIssue.InvalidValue({
    message: "is filled in by an action's context: save a draft through an Outcome instead of constructing the row"
  })
)

/** A field that a draft may leave out, in which case it holds `value`. */
export const withDefault =
  <S extends Schema.Constraint & Schema.WithoutConstructorDefault>(value: S["~type.make.in"]) =>
  (schema: S): Schema.withConstructorDefault<S> =>
    Schema.withConstructorDefault<S>(Effect.succeed(value))(schema).pipe(
      Schema.annotateKey(withMeta(schema, { default: { _tag: "Value", value } }))
    )

const filled = <S extends Schema.Constraint & Schema.WithoutConstructorDefault>(schema: S, fill: Default) =>
  Schema.withConstructorDefault<S>(fromContext)(schema).pipe(Schema.annotateKey(withMeta(schema, { default: fill })))

/** A field whose value is kept out of outputs, logs and traces. */
export const sensitive = <S extends Schema.Top>(schema: S): S["Rebuild"] =>
  schema.pipe(Schema.annotateKey(withMeta(schema, { sensitive: true })))

/** A field that only actors with one of these roles are shown. Nobody filters or sorts by it. */
export const visibleTo =
  (...roles: ReadonlyArray<string>) =>
  <S extends Schema.Top>(schema: S): S["Rebuild"] =>
    schema.pipe(Schema.annotateKey(withMeta(schema, { visibleTo: roles })))

/** Says that the field had another name in the release before this one; migrations copy the old column. */
export const renamedFrom =
  (name: string) =>
  <S extends Schema.Top>(schema: S): S["Rebuild"] =>
    schema.pipe(Schema.annotateKey(withMeta(schema, { renamedFrom: name })))

/** An identifier: 1 to 200 characters without control characters. */
export const Identifier = Schema.String.check(
  Schema.isBetweenLength(1, 200),
  Schema.isPattern(/^[^\u0000-\u001f\u007f]*$/, { expected: "a string without control characters" })
).annotate({ identifier: "Identifier" })

/** The key of a row; a new time-ordered id where the draft gives none. */
export const Id = filled(Identifier, { _tag: "NewId" })

/** When the row was first saved (UTC, milliseconds). */
export const CreatedAt = filled(Schema.DateTimeUtc, { _tag: "Now" })

/** When the row was last saved (UTC, milliseconds). */
export const UpdatedAt = filled(Schema.DateTimeUtc, { _tag: "Touch" })

/**
 * Counts the saves of a row from 1. It makes the row versioned: an ETag over HTTP (`RowMark`), checked by `If-Match`.
 */
export const Version = filled(Schema.Int, { _tag: "Version" })

/**
 * The row's place among the rows with the same `parent`: gapless, from 1, in the order of commits. A row stays among
 * them: to change its `parent` is refused with `InvalidOutcome`.
 */
export const Position = (parent: string) => filled(Schema.Int, { _tag: "Position", parent })
