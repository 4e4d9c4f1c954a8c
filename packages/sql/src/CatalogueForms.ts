/**
 * The model's expressions as PostgreSQL shows them in its catalogue. The server itself is asked for the form of
 * constants and names, so that its version, time zone and rules for quoting do not matter.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as DdlRender from "./DdlRender.ts"
import * as SqlName from "./SqlName.ts"
import type { Row, Statement } from "./TenantSqlConnection.ts"

/** Expressions in the catalogue's form. */
export interface Forms {
  readonly default: (column: DatabaseModel.Column) => string | undefined
  readonly check: (check: DatabaseModel.Check) => string
  readonly policy: (table: DatabaseModel.Table, policy: DatabaseModel.Policy) => string
}

const setting = (name: string) => `NULLIF(current_setting('${name}'::text, true), ''::text)`

/** What of a model only the server can say. */
const unknownsOf = (model: DatabaseModel.Model) => {
  const columns = model.tables.flatMap((table) => table.columns)
  return {
    constants: [
      ...new Set(
        columns.flatMap((column) => (column.default?._tag === "Value" ? (DdlRender.defaultOf(column) ?? []) : []))
      )
    ],
    names: [...new Set(columns.map(({ name }) => name))]
  }
}

/** Asks for the forms of everything in a model; the answer is for `fromRow`. */
export const statementOf = (model: DatabaseModel.Model): Statement => {
  const { constants, names } = unknownsOf(model)
  return {
    sql:
      `select to_json(array[${constants.map((each) => `(${each})::text`).join(", ")}]::text[]) as constants, ` +
      `(select coalesce(json_agg(quote_ident(n.name) order by n.at), '[]') from json_array_elements_text($1::json) with ordinality as n(name, at)) as names`,
    params: [JSON.stringify(names)],
    prepare: false
  }
}

/** Asks as the owner. */
export const of = Effect.fnUntraced(function* (model: DatabaseModel.Model) {
  const client = yield* SqlClient.SqlClient
  const { params, sql } = statementOf(model)
  const [row] = yield* client.unsafe<Row>(sql, params)
  return fromRow(model, row)
})

const listed = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** The one row that the statement answers with. */
export const fromRow = (model: DatabaseModel.Model, row: Row | undefined): Forms => {
  const { constants, names } = unknownsOf(model)
  const shown = listed(row?.["constants"])
  const quotes = listed(row?.["names"])
  const texts = new Map(constants.map((each, index) => [each, String(shown[index] ?? "")]))
  const quoted = new Map(names.map((each, index) => [each, String(quotes[index] ?? each)]))
  const name = (column: string) => quoted.get(column) ?? column
  const forms: Forms = {
    default: (column) => {
      const expression = DdlRender.defaultOf(column)
      if (expression === undefined || column.default?._tag === "Now") return expression
      if (column.default?._tag === "Tenant") return setting("app.tenant_id")
      if (column.type === "boolean") return expression
      const text = texts.get(expression) ?? ""
      // What can only be read as a numeric is shown as it is.
      return column.type === "numeric" && /^\d+\./.test(text) ? text : `${SqlName.literal(text)}::${column.type}`
    },
    check: ({ column, values }) =>
      `(${name(column)} = ANY (ARRAY[${values.map((value) => `${SqlName.literal(value)}::text`).join(", ")}]))`,
    policy: (table, { rows }) => {
      if (rows === "all") return "true"
      const [column, from] =
        rows === "presented" ? ["hash", "app.api_key_hash"] : [table.tenantColumn ?? "tenant_id", "app.tenant_id"]
      return `(${name(column ?? "")} = ( SELECT ${setting(from ?? "")} AS "nullif"))`
    }
  }
  return forms
}
