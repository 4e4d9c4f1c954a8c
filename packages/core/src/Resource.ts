/**
 * A domain object, declared once: its fields, where they are kept, how it relates, and its actions. Everything else -
 * table, policies, repository, durable object, routes - is derived from this value.
 */
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import { bind, builder } from "./ActionDeclaration.ts"
import * as Column from "./Column.ts"
import type * as Field from "./Field.ts"
import type { Fields } from "./Field.ts"
import type { Relation } from "./Relation.ts"

/**
 * What a second row with the same conflict columns does: replace the first, which keeps its key and the time of its
 * creation (`Field.CreatedAt`), or leave it standing. Where it is left standing, the outcome that would have saved the
 * second sends and emits nothing: the first one's did.
 */
export interface Conflict<Field extends string = string> {
  readonly on: ReadonlyArray<Field>
  readonly do: "update" | "nothing"
}

/** Allowed transitions of a status field: from each value to the listed ones. Staying is always allowed. */
export type Transitions = { readonly [field: string]: { readonly [from: string]: ReadonlyArray<string> } }

/** The states that a new row may begin in, by status field; any where a field is not named. */
export type Initial = { readonly [field: string]: ReadonlyArray<string> }

/**
 * Says that a row stands for a run of a workflow, under the same key, and when there is nothing more to watch of it.
 */
export interface Watch<Field extends string = string> {
  readonly workflow: { readonly name: string }
  readonly field: Field
  readonly until: ReadonlyArray<string>
}

/** The actions of a resource, by name. */
export type Actions = { readonly [name: string]: Action.Any }

/** A resource with its fields and actions. */
export interface Resource<out Name extends string, in out F extends Fields, out A extends Actions> {
  readonly _tag: "Resource"
  /** A type only: a row, as `typeof Widget.Row`. */
  readonly Row: Field.Values<F>
  /** A type only: what can be saved as a row. */
  readonly Draft: Field.Draft<F>
  readonly name: Name
  readonly table: string
  readonly description: string | undefined
  /** Raised by one at every change of the fields; compared with the database's. */
  readonly version: number
  readonly tenantScoped: boolean
  readonly durable: boolean
  /** The column that holds the tenant. */
  readonly tenancyKey: string
  /** The field that holds the key. */
  readonly key: string
  readonly fields: F
  readonly schema: Schema.Struct<F>
  readonly columns: ReadonlyArray<Column.Column>
  readonly conflict: Conflict
  /** Whether a create is refused where there is a row with its key: so where no conflict rule is declared. */
  readonly createsOnce: boolean
  readonly identities: { readonly [name: string]: ReadonlyArray<string> }
  readonly indexes: ReadonlyArray<ReadonlyArray<string>>
  readonly relations: { readonly [name: string]: Relation }
  readonly transitions: Transitions
  readonly initial: Initial
  readonly watch: Watch | undefined
  readonly actions: A
}

/** A resource of which only the types of its rows matter: what functions that infer from a resource constrain by. */
export interface Typed {
  readonly _tag: "Resource"
  readonly name: string
  readonly Row: object
  readonly Draft: object
}

/** Any resource, whatever its fields: what code that works for all resources reads. */
export interface Any extends Typed {
  readonly table: string
  readonly description: string | undefined
  readonly version: number
  readonly tenantScoped: boolean
  readonly durable: boolean
  readonly tenancyKey: string
  readonly key: string
  readonly fields: Fields
  readonly schema: Schema.Constraint & { readonly DecodingServices: never; readonly EncodingServices: never }
  readonly columns: ReadonlyArray<Column.Column>
  readonly conflict: Conflict
  /** Whether a create is refused where there is a row with its key: so where no conflict rule is declared. */
  readonly createsOnce: boolean
  readonly identities: { readonly [name: string]: ReadonlyArray<string> }
  readonly indexes: ReadonlyArray<ReadonlyArray<string>>
  readonly relations: { readonly [name: string]: Relation }
  readonly transitions: Transitions
  readonly initial: Initial
  readonly watch: Watch | undefined
  readonly actions: Actions
}

export { erase } from "./Erase.ts"

/** A row of a resource. */
export type Row<R extends Typed> = R["Row"]

/** What can be saved as a row: fields with a default may be left out. */
export type Draft<R extends Typed> = R["Draft"]

/** What a resource declares. */
export interface Options<F extends Fields, A extends Actions> {
  readonly fields: F
  readonly actions: (on: Action.Builder<F>) => A
  /** The table's name. Default: the plural of the name in snake case. */
  readonly table?: string
  readonly description?: string
  /** Default 1. */
  readonly version?: number
  /** Whether rows belong to a tenant. Default true; the start-up audit lists every resource that says false. */
  readonly tenantScoped?: boolean
  /** Whether its actions run as a durable object. Default false. */
  readonly durable?: boolean
  /** Default `tenant_id`. */
  readonly tenancyKey?: string
  /** Default `id`. */
  readonly key?: keyof F & string
  /** Default: the key, update; and a create is refused (`AlreadyExists`) where there is a row with its key. */
  readonly conflict?: Conflict<keyof F & string>
  /** Unique keys by name, within a tenant. */
  readonly identities?: { readonly [name: string]: ReadonlyArray<keyof F & string> }
  /** Further indexes, each a list of fields. */
  readonly indexes?: ReadonlyArray<ReadonlyArray<keyof F & string>>
  readonly relations?: { readonly [name: string]: Relation }
  /**
   * Where runs under the keys of rows have events (`RunEvents`): a door offers them to whoever may read the row, until
   * the field has one of the values. Default: they have none.
   */
  readonly watch?: Watch<keyof F & string>
  /** Whoever saves a row, an action of another resource or `Repository.save` too, is held to these. */
  readonly transitions?: { readonly [K in keyof F & string]?: { readonly [from: string]: ReadonlyArray<string> } }
  /** The states that a new row may begin in. Default: any. */
  readonly initial?: { readonly [K in keyof F & string]?: ReadonlyArray<string> }
}

/** Declares a resource. */
export const make = <const Name extends string, const F extends Fields, A extends Actions>(
  name: Name,
  options: Options<F, A>
): Resource<Name, F, A> => {
  const key = options.key ?? "id"
  const resource: Omit<Resource<Name, F, A>, "Row" | "Draft"> = {
    _tag: "Resource",
    name,
    table: options.table ?? Column.tableName(name),
    description: options.description,
    version: options.version ?? 1,
    tenantScoped: options.tenantScoped ?? true,
    durable: options.durable ?? false,
    tenancyKey: options.tenancyKey ?? "tenant_id",
    key,
    fields: options.fields,
    schema: Schema.Struct(options.fields),
    columns: Column.fromFields(options.fields),
    conflict: options.conflict ?? { on: [key], do: "update" },
    createsOnce: options.conflict === undefined,
    identities: options.identities ?? {},
    indexes: options.indexes ?? [],
    relations: options.relations ?? {},
    transitions: (options.transitions ?? {}) as Transitions,
    initial: (options.initial ?? {}) as Initial,
    watch: options.watch,
    actions: undefined as never
  }
  const made = resource as Resource<Name, F, A>
  return Object.assign(made, { actions: bind(made, options.actions(builder(made))) })
}

/**
 * The same resource with more actions: how a host app adds to a resource it does not own. Throws where it has an action
 * of such a name already, which others count on.
 */
export const extend = <Name extends string, F extends Fields, A extends Actions, B extends Actions>(
  resource: Resource<Name, F, A>,
  actions: (on: Action.Builder<F>) => B
): Resource<Name, F, A & B> => {
  const extended = { ...resource }
  const more = bind(extended, actions(builder(extended)))
  for (const name of Object.keys(more)) {
    if (Object.hasOwn(resource.actions, name))
      throw new Error(`${resource.name} has an action "${name}" already; give the one that is added another name`)
  }
  return Object.assign(extended, { actions: { ...resource.actions, ...more } })
}

/** The field that counts a resource's saves, where it has one. */
export const versionField = (resource: Any): string | undefined =>
  resource.columns.find((column) => column.default?._tag === "Version")?.field
