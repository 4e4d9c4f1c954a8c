/**
 * Holds the live catalogue against a model and lists every difference, each with its place and mend. What the model
 * does not know is judged by one question: could it let a tenant see or stop another?
 */
import type * as Catalogue from "./Catalogue.ts"
import type * as DatabaseModel from "./DatabaseModel.ts"
import * as DriftAccess from "./DriftAccess.ts"
import type { Forms } from "./CatalogueForms.ts"

/** One difference. */
export interface Finding {
  /** As in `widgets.color`. */
  readonly place: string
  readonly problem: string
  readonly mend: string
}

const regenerate = "Change the declaration and generate a migration, or undo the change in the database"

/** Every difference, in the order of the model. `forms` are the model's expressions as PostgreSQL shows them. */
export const compare = (
  model: DatabaseModel.Model,
  live: Catalogue.Catalogue,
  forms: Forms
): ReadonlyArray<Finding> => {
  const byPlace = new Map(live.relations.map((each) => [`${each.schema}.${each.name}`, each]))
  return [
    ...DriftAccess.roles(model, live),
    ...model.tables.flatMap((table) => {
      const place = `${table.schema}.${table.name}`
      const found = byPlace.get(place)
      if (found === undefined || !["r", "p"].includes(found.kind)) {
        return [
          {
            place,
            problem: found === undefined ? "the table is missing" : "it is not a table",
            mend: "Apply the migrations"
          }
        ]
      }
      return [
        ...columns(place, table, found, forms),
        ...keys(place, table, found),
        ...checks(place, table, found, forms),
        ...foreignKeys(place, table, found),
        ...indexes(place, table, found),
        ...DriftAccess.table(place, model, table, found, forms)
      ]
    }),
    ...DriftAccess.unknown(model, live)
  ]
}

const columns = (
  place: string,
  table: DatabaseModel.Table,
  live: Catalogue.Relation,
  forms: Forms
): ReadonlyArray<Finding> => [
  ...table.columns.flatMap((column): ReadonlyArray<Finding> => {
    const at = `${place}.${column.name}`
    const found = live.columns.find(({ name }) => name === column.name)
    if (found === undefined) return [{ place: at, problem: "the column is missing", mend: "Apply the migrations" }]
    const identity = column.default?._tag === "Identity"
    return [
      ...(found.type === column.type
        ? []
        : [{ place: at, problem: `the type is ${found.type} and should be ${column.type}`, mend: regenerate }]),
      ...(found.nullable === column.nullable
        ? []
        : [
            {
              place: at,
              problem: found.nullable ? "it may be null and should not" : "it may not be null and should",
              mend: regenerate
            }
          ]),
      ...((found.default ?? "") === (forms.default(column) ?? "")
        ? []
        : [
            {
              place: at,
              problem: `the default is ${found.default ?? "none"} and should be ${forms.default(column) ?? "none"}`,
              mend: regenerate
            }
          ]),
      ...((found.identity !== "") === identity
        ? []
        : [
            {
              place: at,
              problem: identity ? "it is not an identity column" : "it is an identity column",
              mend: regenerate
            }
          ])
    ]
  }),
  ...live.columns
    .filter(({ name }) => !table.columns.some((column) => column.name === name))
    .map(({ name }) => ({
      place: `${place}.${name}`,
      problem: "the column is not declared",
      mend: "Declare a field for it, or drop the column"
    }))
]

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) =>
  a.length === b.length && a.every((each, index) => each === b[index])
const shown = (names: ReadonlyArray<string>) => `(${names.join(", ")})`

const keys = (place: string, table: DatabaseModel.Table, live: Catalogue.Relation): ReadonlyArray<Finding> => {
  const found = live.constraints.find(({ type }) => type === "p")
  if (found !== undefined && same(found.columns, table.primaryKey.columns)) return []
  return [
    {
      place,
      problem: `the primary key is ${found === undefined ? "missing" : shown(found.columns)} and should be ${shown(table.primaryKey.columns)}`,
      mend: regenerate
    }
  ]
}

const checks = (
  place: string,
  table: DatabaseModel.Table,
  live: Catalogue.Relation,
  forms: Forms
): ReadonlyArray<Finding> => {
  const found = live.constraints.filter(({ type }) => type === "c")
  return [
    ...table.checks.flatMap((check): ReadonlyArray<Finding> => {
      const at = `${place}.${check.column}`
      const mine = found.find(({ name }) => name === check.name)
      if (mine === undefined)
        return [{ place: at, problem: `the check ${check.name} is missing`, mend: "Apply the migrations" }]
      if (mine.expression !== forms.check(check))
        return [
          {
            place: at,
            problem: `the check ${check.name} is ${mine.expression} and should be ${forms.check(check)}`,
            mend: regenerate
          }
        ]
      return mine.valid
        ? []
        : [
            {
              place: at,
              problem: `the check ${check.name} was never validated`,
              mend: `alter table … validate constraint "${check.name}"`
            }
          ]
    }),
    ...found
      .filter(({ name }) => !table.checks.some((check) => check.name === name))
      .map(({ name }) => ({ place, problem: `the check ${name} is not declared`, mend: regenerate }))
  ]
}

const deleteActions: { readonly [action in DatabaseModel.ForeignKey["onRemove"]]: string } = {
  restrict: "a",
  cascade: "c",
  null: "n"
}

const foreignKeys = (place: string, table: DatabaseModel.Table, live: Catalogue.Relation): ReadonlyArray<Finding> => {
  const found = live.constraints.filter(({ type }) => type === "f")
  return [
    ...table.foreignKeys.flatMap((key): ReadonlyArray<Finding> => {
      const mine = found.find(({ name }) => name === key.name)
      const at = `${place}.${key.column}`
      if (mine === undefined)
        return [{ place: at, problem: `the foreign key ${key.name} is missing`, mend: "Apply the migrations" }]
      const fits =
        same(mine.columns, key.columns) &&
        mine.targetSchema === key.target.schema &&
        mine.target === key.target.name &&
        same(mine.targetColumns, key.target.columns) &&
        mine.onDelete === deleteActions[key.onRemove] &&
        same(mine.nulled, key.onRemove === "null" ? [key.column] : []) &&
        mine.deferrable &&
        !mine.deferred
      if (!fits) {
        return [
          {
            place: at,
            problem: `the foreign key ${key.name} differs: ${shown(mine.columns)} → ${mine.target}${shown(mine.targetColumns)}, on delete ${mine.onDelete}`,
            mend: regenerate
          }
        ]
      }
      return mine.valid
        ? []
        : [
            {
              place: at,
              problem: `the foreign key ${key.name} was never validated`,
              mend: `alter table … validate constraint "${key.name}", with row security not forced`
            }
          ]
    }),
    ...found
      .filter(({ name }) => !table.foreignKeys.some((key) => key.name === name))
      .map(({ name }) => ({ place, problem: `the foreign key ${name} is not declared`, mend: regenerate }))
  ]
}

/**
 * A further index only costs time; a further unique key changes what can be saved, and may reveal another tenant's
 * value.
 */
const indexes = (place: string, table: DatabaseModel.Table, live: Catalogue.Relation): ReadonlyArray<Finding> => {
  const found = live.indexes.filter(({ primary }) => !primary)
  return [
    ...table.indexes.flatMap((index): ReadonlyArray<Finding> => {
      const mine = found.find(({ name }) => name === index.name)
      if (mine === undefined)
        return [
          {
            place,
            problem: `the ${index.unique ? "unique key" : "index"} ${index.name} is missing`,
            mend: "Apply the migrations"
          }
        ]
      if (!mine.valid)
        return [
          {
            place,
            problem: `the index ${index.name} was not built to its end`,
            mend: `drop index concurrently "${index.name}", and build it again`
          }
        ]
      return mine.unique === index.unique && same(mine.columns, index.columns) && !mine.partial
        ? []
        : [
            {
              place,
              problem: `the index ${index.name} is ${mine.unique ? "unique " : ""}${shown(mine.columns)} and should be ${index.unique ? "unique " : ""}${shown(index.columns)}`,
              mend: regenerate
            }
          ]
    }),
    ...found
      .filter(({ name, unique }) => unique && !table.indexes.some((index) => index.name === name))
      .map(({ name, columns: of }) => ({
        place,
        problem: `the unique key ${name} ${shown(of)} is not declared${table.tenantColumn !== undefined && of[0] !== table.tenantColumn ? " and does not begin with the tenant, so it reveals other tenants' values" : ""}`,
        mend: "Declare it as an identity, or drop it"
      }))
  ]
}
