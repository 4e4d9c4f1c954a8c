/** Between a resource's rows and their JSON encoding, compiled once per resource; fills drafts. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ActionContext } from "./Action.ts"
import * as ColumnValue from "./ColumnValue.ts"
import type * as Field from "./Field.ts"
import type { Issue } from "./Failure.ts"
import * as Issues from "./Issues.ts"
import type * as Resource from "./Resource.ts"
import * as Storable from "./Storable.ts"
import type { EncodedRow } from "./UnitOfWork.ts"

/** The compiled codec of a resource's rows. */
export interface RowCodec {
  /** Reads a stored row. A row that does not fit is a defect: the database and the declaration disagree. */
  readonly decode: (row: EncodedRow) => object
  /** A stored row as the schema encodes it: without the optional fields that are null. */
  readonly present: (row: EncodedRow) => EncodedRow
  /** Values of fields as they are stored, null where there is none. */
  readonly encodeWhere: (where: { readonly [field: string]: unknown }) => EncodedRow
  /** Fills the fields that a draft leaves out, checks it against the schema and encodes it. */
  readonly encodeDraft: (
    draft: object,
    context: ActionContext,
    key: string | undefined
  ) => Result.Result<EncodedRow, ReadonlyArray<Issue>>
}

const compiled = new WeakMap<Resource.Any, RowCodec>()

/** The codec of a resource. */
export const of = (resource: Resource.Any): RowCodec => {
  const found = compiled.get(resource)
  if (found !== undefined) return found
  const fresh = compile(resource)
  compiled.set(resource, fresh)
  return fresh
}

const compile = (resource: Resource.Any): RowCodec => {
  const codec = Schema.toCodecJson(resource.schema)
  const decode = Schema.decodeUnknownResult(codec)
  const encode = Schema.encodeUnknownResult(codec)
  const numbers = resource.columns
    .filter(({ kind }) => kind === "number" || kind === "integer")
    .map(({ field }) => field)
  const limited = resource.columns.filter(({ kind }) => ColumnValue.isLimited(kind))
  const nullables = resource.columns.filter((column) => column.optional)
  const present = (row: EncodedRow) => (nullables.length === 0 ? row : withoutNulls(row, nullables))
  return {
    present,
    decode: (row) => {
      const decoded = decode(present(row))
      if (Result.isSuccess(decoded)) return decoded.success as object
      // Where, never what: the message may end up in a log, and the row may hold what nobody should read there.
      const places = Issues.fromSchema(decoded.failure).map(({ path }) => path)
      throw new Error(`A stored ${resource.name} does not fit its declaration at ${places.join(", ")}`)
    },
    encodeDraft: (draft, context, key) => {
      const encoded = encode(fill(resource, draft, context, key), { errors: "all", onExcessProperty: "error" })
      if (Result.isFailure(encoded)) return Result.fail(Issues.fromSchema(encoded.failure))
      // What an action itself made of its input may still be what no store can keep.
      const row = encoded.success as { [field: string]: Schema.Json }
      // JSON has no negative zero, and no store keeps it.
      for (const field of numbers) if (row[field] === 0) row[field] = 0
      const faults = [...Storable.faultsIn(row), ...beyond(limited, row)]
      return faults.length === 0 ? Result.succeed(row) : Result.fail(faults)
    },
    encodeWhere: (where) =>
      Object.fromEntries(Object.entries(where).map(([field, value]) => [field, encodeField(resource, field, value)]))
  }
}

const beyond = (columns: Resource.Any["columns"], row: EncodedRow): ReadonlyArray<Issue> =>
  columns.flatMap(({ field, kind }) => {
    const message = ColumnValue.faultOf(kind, row[field])
    return message === undefined ? [] : [{ path: field, message }]
  })

const fieldEncoders = new WeakMap<Schema.Constraint, (value: unknown) => Result.Result<unknown, Schema.SchemaError>>()

/** What its field does not allow stays as it is: no row has it. */
const encodeField = (resource: Resource.Any, field: string, value: unknown): Schema.Json => {
  const schema = resource.fields[field]
  if (value === undefined || value === null || schema === undefined) return null
  const encode =
    fieldEncoders.get(schema) ??
    Schema.encodeUnknownResult(Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>))
  fieldEncoders.set(schema, encode)
  return Result.getOrElse(encode(value), () => value) as Schema.Json
}

const withoutNulls = (row: EncodedRow, columns: Resource.Any["columns"]): EncodedRow => {
  const kept: { [field: string]: Schema.Json | undefined } = { ...row }
  for (const { field } of columns) if (kept[field] === null || kept[field] === undefined) delete kept[field]
  return kept
}

const fill = (resource: Resource.Any, draft: object, context: ActionContext, key: string | undefined): object => {
  const filled: { [field: string]: unknown } = { ...draft }
  for (const column of resource.columns) {
    const value = column.default
    if (value === undefined) continue
    if (filled[column.field] !== undefined && value._tag !== "Touch") continue
    filled[column.field] = column.field === resource.key && key !== undefined ? key : valueOf(value, context)
  }
  return filled
}

const valueOf = (value: Field.Default, context: ActionContext): unknown => {
  switch (value._tag) {
    case "Value":
      return value.value
    case "NewId":
      return context.newId()
    case "Now":
    case "Touch":
      return context.now
    // The store numbers versions and positions; 0 says that the row has none yet.
    case "Version":
    case "Position":
      return 0
  }
}
