/** The checks that a registry makes. Each gives problems with a place and a mend; none stops at the first. */
import type * as Action from "./Action.ts"
import * as Column from "./Column.ts"
import type * as DomainEvent from "./DomainEvent.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import * as Failure from "./Failure.ts"
import type { BelongsTo } from "./Relation.ts"
import type * as Resource from "./Resource.ts"
import * as Transitions from "./Transitions.ts"
import type * as Workflow from "./Workflow.ts"

/** A mistake in how an application is put together. */
export interface Problem {
  /** As in `Thread.actions.addMessage`. */
  readonly place: string
  readonly problem: string
  /** What to do about it. */
  readonly mend: string
}

interface Parts {
  readonly resources: ReadonlyArray<Resource.Any>
  readonly workflows: ReadonlyArray<Workflow.Any>
  readonly events: ReadonlyArray<DomainEvent.Any>
}

/** Everything that is wrong, in the order of declaration. */
export const check = (parts: Parts): ReadonlyArray<Problem> =>
  onceEach([
    ...duplicates(
      "resource",
      parts.resources.map((each) => each.name)
    ),
    ...duplicates(
      "table",
      parts.resources.map((each) => each.table)
    ),
    ...duplicates(
      "workflow",
      parts.workflows.map((each) => each.name)
    ),
    ...duplicates(
      "event",
      parts.events.map((each) => each.name)
    ),
    ...sharedNames(parts),
    ...parts.resources.flatMap((resource) => [...checkResource(resource, parts)]),
    ...cycles(parts.resources)
  ])

/** A problem that several places have is told once, with the other places. */
const onceEach = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> => {
  const places = new Map<string, Array<string>>()
  for (const { mend, place, problem } of problems) {
    const found = places.get(`${problem} ${mend}`) ?? []
    places.set(`${problem} ${mend}`, found.includes(place) ? found : [...found, place])
  }
  return [...new Map(problems.map((each) => [`${each.problem} ${each.mend}`, each])).entries()].map(
    ([key, { mend, problem }]) => ({ place: (places.get(key) ?? []).join(", "), problem, mend })
  )
}

const duplicates = (what: string, names: ReadonlyArray<string>): ReadonlyArray<Problem> =>
  [...new Set(names.filter((name, index) => names.indexOf(name) !== index))].map((name) => ({
    place: name,
    problem: `there is more than one ${what} of this name`,
    mend: "Give each its own name"
  }))

const sharedNames = ({ resources, workflows }: Parts): ReadonlyArray<Problem> =>
  workflows
    .filter((workflow) => resources.some((resource) => resource.name === workflow.name))
    .map((workflow) => ({
      place: workflow.name,
      problem: "a resource and a workflow have the same name",
      mend: "Both become services of one runtime; rename one of them"
    }))

function* checkResource(resource: Resource.Any, parts: Parts): Generator<Problem> {
  yield* checkNames(resource)
  yield* checkFields(resource)
  yield* checkRelations(resource, parts)
  yield* checkWatch(resource, parts)
  yield* checkPaths(resource)
  for (const action of Object.values(resource.actions)) {
    yield* checkAction(resource, action, parts)
    yield* checkErrors(resource, action)
  }
}

const nameRule = /^[A-Z][A-Za-z0-9]*$/
const fieldRule = /^[a-z][A-Za-z0-9]*$/
/** PostgreSQL cuts longer identifiers (its manual, 4.1.1), and some are derived from these. */
const longestTable = 40

function* checkNames(resource: Resource.Any): Generator<Problem> {
  if (!nameRule.test(resource.name)) {
    yield {
      place: resource.name,
      problem: "the name is not in PascalCase",
      mend: "Use letters and digits, a capital first"
    }
  }
  if (!/^[a-z][a-z0-9_]*$/.test(resource.table) || resource.table.length > longestTable) {
    yield {
      place: `${resource.name}.table`,
      problem: `"${resource.table}" cannot be a table's name`,
      mend: `Use up to ${longestTable} lower-case letters, digits and underscores`
    }
  }
  for (const field of Object.keys(resource.fields)) {
    if (!fieldRule.test(field)) {
      yield {
        place: `${resource.name}.fields.${field}`,
        problem: "the name is not in camelCase",
        mend: "Use letters and digits, a small letter first"
      }
    }
    yield* checkMember(`${resource.name}.fields.${field}`, field)
  }
  for (const action of Object.keys(resource.actions)) {
    if (!fieldRule.test(action)) {
      yield {
        place: `${resource.name}.actions.${action}`,
        problem: "the name is not in camelCase",
        mend: "Use letters and digits, a small letter first"
      }
    }
  }
}

/** Schemas look for a field by `in`, so one of these is there where it is not given. */
function* checkMember(place: string, field: string): Generator<Problem> {
  if (field in Object.prototype)
    yield { place, problem: "is a member that every object of JavaScript has", mend: "Rename the field" }
}

function* checkFields(resource: Resource.Any): Generator<Problem> {
  const byName = new Map<string, Column.Column>()
  for (const column of resource.columns) {
    const place = `${resource.name}.fields.${column.field}`
    const other = byName.get(column.name)
    if (other !== undefined)
      yield { place, problem: `has the same column "${column.name}" as ${other.field}`, mend: "Rename one of them" }
    byName.set(column.name, column)
    if (resource.tenantScoped && column.name === resource.tenancyKey) {
      yield { place, problem: "is the tenant's own column", mend: "Leave it out; it is added, filled and enforced" }
    }
    yield* checkPosition(resource, column)
  }
  for (const fill of ["Version", "Position"] as const) {
    const [, ...others] = resource.columns.filter((column) => column.default?._tag === fill)
    for (const { field } of others)
      yield {
        place: `${resource.name}.fields.${field}`,
        problem: `is another ${fill.toLowerCase()} field, where a resource has one`,
        mend: "Keep one of them"
      }
  }
  const key = resource.columns.find((column) => column.field === resource.key)
  if (key === undefined) {
    yield {
      place: `${resource.name}.key`,
      problem: `there is no field "${resource.key}"${resource.durable ? ", and a durable action needs a key" : ""}`,
      mend: "Add `id: Field.Id`, or name another field as `key`"
    }
  } else if (key.kind !== "text" || key.nullable) {
    yield {
      place: `${resource.name}.fields.${key.field}`,
      problem: "is the key and must be a required string",
      mend: "Use `Field.Id` or another string schema"
    }
  }
  for (const [place, fields] of fieldLists(resource)) {
    if (fields.length === 0 && !place.endsWith(".transitions") && !place.endsWith(".initial")) {
      yield { place, problem: "names no field", mend: "Name those that it is made of, or leave it out" }
    }
    for (const field of fields) {
      if (!Object.hasOwn(resource.fields, field))
        yield {
          place,
          problem: `"${field}" is no field`,
          mend: `Use one of ${Object.keys(resource.fields).join(", ")}`
        }
    }
  }
  for (const field of Transitions.fieldsOf(resource)) {
    const literals = (resource.columns.find((column) => column.field === field)?.literals ?? []).map(String)
    const moves = Object.entries(resource.transitions[field] ?? {}).flatMap(([from, to]) => [from, ...to])
    for (const [what, states] of [
      ["transitions", moves],
      ["initial", resource.initial[field] ?? []]
    ] as const) {
      for (const state of new Set(states.filter((each) => !literals.includes(each)))) {
        yield {
          place: `${resource.name}.${what}.${field}`,
          problem: `"${state}" is no value of the field`,
          mend: `Use one of ${literals.join(", ")}`
        }
      }
    }
  }
}

function* checkPosition(resource: Resource.Any, { default: fill, field }: Column.Column): Generator<Problem> {
  if (fill?._tag !== "Position") return
  const place = `${resource.name}.fields.${field}`
  const parent = resource.columns.find((column) => column.field === fill.parent)
  if (parent === undefined)
    yield {
      place,
      problem: `is a position within "${fill.parent}", which is no field`,
      mend: "Name the field that holds the parent's key"
    }
  else if (parent.kind === "json")
    yield {
      place,
      problem: `is a position within "${fill.parent}", which is stored as JSON`,
      mend: "Name a field that holds the parent's key as text or as a number"
    }
  for (const [name, relation] of Object.entries(resource.relations)) {
    if (relation._tag === "BelongsTo" && relation.field === fill.parent && relation.onRemove === "null")
      yield {
        place,
        problem: `is a position within "${fill.parent}", which ${name} makes null when the parent is removed`,
        mend: "Choose another `onRemove`: the numbers of several parents would then stand side by side"
      }
  }
}

const fieldLists = (resource: Resource.Any): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => [
  [`${resource.name}.conflict`, resource.conflict.on],
  ...Object.entries(resource.identities).map(
    ([name, fields]) => [`${resource.name}.identities.${name}`, fields] as const
  ),
  ...resource.indexes.map((fields, index) => [`${resource.name}.indexes[${index}]`, fields] as const),
  [`${resource.name}.transitions`, Object.keys(resource.transitions)],
  [`${resource.name}.initial`, Object.keys(resource.initial)]
]

function* checkRelations(resource: Resource.Any, { resources }: Parts): Generator<Problem> {
  for (const [name, relation] of Object.entries(resource.relations)) {
    const place = `${resource.name}.relations.${name}`
    const target = resources.find((each) => each.name === relation.target)
    if (target === undefined) {
      yield unknown(place, `the resource ${relation.target}`, "resources")
      continue
    }
    const owner = relation._tag === "BelongsTo" ? resource : target
    const column = owner.columns.find((each) => each.field === relation.field)
    if (column === undefined) {
      yield {
        place,
        problem: `${owner.name} has no field "${relation.field}"`,
        mend: "Name the field that holds the other's key"
      }
    } else if (relation._tag === "BelongsTo" && relation.onRemove === "null" && !column.nullable) {
      yield {
        place,
        problem: `${relation.field} cannot be null when its target is removed`,
        mend: "Make the field optional, or choose another `onRemove`"
      }
    }
    if (relation._tag === "HasMany" && column !== undefined && !pointsBack(target, resource, relation.field)) {
      yield {
        place,
        problem: `looks back along ${target.name}.${relation.field}, which points to no ${resource.name}`,
        mend: `Declare \`Relation.belongsTo("${resource.name}", "${relation.field}")\` in ${target.name}`
      }
    }
    if (relation._tag === "BelongsTo" && column !== undefined && column.kind !== "text") {
      yield {
        place,
        problem: `${relation.field} holds the key of a ${target.name} and must be a string`,
        mend: "Use `Schema.String` or another string schema"
      }
    }
    if (relation._tag === "BelongsTo" && target.tenantScoped && !resource.tenantScoped) {
      yield {
        place,
        problem: "a resource of no tenant cannot belong to one of a tenant",
        mend: "Make it tenant-scoped"
      }
    }
  }
}

const pointsBack = (from: Resource.Any, to: Resource.Any, field: string): boolean =>
  Object.values(from.relations).some(
    (each) => each._tag === "BelongsTo" && each.target === to.name && each.field === field
  )

function* checkWatch({ columns, name, watch }: Resource.Any, { workflows }: Parts): Generator<Problem> {
  if (watch === undefined) return
  const place = `${name}.watch`
  if (!workflows.some((each) => each.name === watch.workflow.name))
    yield unknown(place, `the workflow ${watch.workflow.name}`, "workflows")
  const column = columns.find(({ field }) => field === watch.field)
  if (column === undefined) {
    const fields = columns.map(({ field }) => field).join(", ")
    yield { place, problem: `"${watch.field}" is no field`, mend: `Use one of ${fields}` }
  }
  const literals = column?.literals?.map(String)
  for (const value of literals === undefined ? [] : watch.until.filter((each) => !literals.includes(each))) {
    yield { place, problem: `"${value}" is no value of ${watch.field}`, mend: `Use one of ${literals?.join(", ")}` }
  }
}

/** Doors write names in lower case with hyphens, so that two names may become one there. */
function* checkPaths(resource: Resource.Any): Generator<Problem> {
  const taken = new Map<string, string>()
  if (resource.watch !== undefined) {
    for (const each of ["events", "operations"]) taken.set(`read ${each}`, `what \`watch\` adds`)
  }
  for (const { kind, name } of Object.values(resource.actions)) {
    const how = kind === "read" || kind === "stream" ? "read" : kind === "create" ? "create" : "write"
    const path = `${how} ${Column.snakeCase(name)}`
    const other = taken.get(path)
    if (other !== undefined) {
      yield {
        place: `${resource.name}.actions.${name}`,
        problem: `has the same path as ${other}`,
        mend: "Rename one of them"
      }
    }
    taken.set(path, name)
  }
}

/** By its tag a caller tells which failure it got. */
function* checkErrors(resource: Resource.Any, action: Action.Any): Generator<Problem> {
  const place = `${resource.name}.actions.${action.name}`
  const known = new Map<string, Action.ErrorClass>(Failure.classes.map((each) => [ErrorBoundary.tagOf(each), each]))
  const own = new Set(known.keys())
  for (const each of action.errors) {
    const tag = ErrorBoundary.tagOf(each)
    const { status } = ErrorBoundary.classification(each)
    if (!Number.isInteger(status) || status < 400 || status > 599)
      yield {
        place,
        problem: `declares the error ${tag} with the HTTP status ${status}, which says no failure`,
        mend: "Give it an `httpStatus` from 400 to 599"
      }
    const other = known.get(tag)
    known.set(tag, each)
    if (other === undefined || other === each) continue
    yield {
      place,
      problem: own.has(tag)
        ? `declares an error with the framework's own tag ${tag}`
        : `declares two errors tagged ${tag}`,
      mend: own.has(tag) ? "Give it a tag of its own, or declare the framework's class" : "Give each its own tag"
    }
  }
}

function* checkAction(resource: Resource.Any, action: Action.Any, parts: Parts): Generator<Problem> {
  const place = `${resource.name}.actions.${action.name}`
  const inputs = "fields" in action.input ? Object.keys(action.input.fields as object) : []
  for (const field of inputs) yield* checkMember(`${place}.input.${field}`, field)
  for (const touched of action.touches()) {
    if (touched === undefined) {
      yield {
        place,
        problem: "`touches` names something that is not defined yet",
        mend: "Write `touches: () => [...]` where modules import each other"
      }
      continue
    }
    switch (touched._tag) {
      case "Resource":
        if (!parts.resources.some((each) => each.name === touched.name))
          yield unknown(place, `the resource ${touched.name}`, "resources")
        break
      case "Action": {
        const target = parts.resources.find((each) => each.name === touched.resource)
        if (target === undefined) yield unknown(place, `the resource ${touched.resource}`, "resources")
        else if (!Object.hasOwn(target.actions, touched.name)) {
          yield {
            place,
            problem: `sends to ${touched.resource}.${touched.name}, which is no action`,
            mend: `Use one of ${Object.keys(target.actions).join(", ")}`
          }
        }
        break
      }
      case "Workflow":
        if (!parts.workflows.some((each) => each.name === touched.name))
          yield unknown(place, `the workflow ${touched.name}`, "workflows")
        break
      case "DomainEvent":
        if (!parts.events.some((each) => each.name === touched.name))
          yield unknown(place, `the event ${touched.name}`, "events")
        break
    }
  }
}

const unknown = (place: string, what: string, list: string): Problem => ({
  place,
  problem: `names ${what}, which is not in the registry`,
  mend: `Add it to \`${list}\``
})

const dependencies = (resource: Resource.Any): ReadonlyArray<string> =>
  Object.values(resource.relations)
    .filter((each): each is BelongsTo => each._tag === "BelongsTo" && !each.optional && each.target !== resource.name)
    .map((each) => each.target)

/** The cycles among required `belongsTo`s, each once, named from its first resource. */
const cycles = (resources: ReadonlyArray<Resource.Any>): ReadonlyArray<Problem> => {
  const byName = new Map(resources.map((each) => [each.name, each]))
  const found = new Map<string, Problem>()
  const done = new Set<string>()
  const visit = (name: string, path: ReadonlyArray<string>): void => {
    const resource = byName.get(name)
    if (resource === undefined || done.has(name)) return
    const start = path.indexOf(name)
    if (start >= 0) {
      const cycle = path.slice(start)
      found.set(cycle.toSorted().join(), {
        place: cycle[0] ?? name,
        problem: `depends on itself: ${[...cycle, name].join(" → ")}`,
        mend: "Declare one of these relations with `optional: true`, or as a `hasMany`"
      })
      return
    }
    for (const target of dependencies(resource)) visit(target, [...path, name])
    done.add(name)
  }
  for (const resource of resources) visit(resource.name, [])
  return [...found.values()]
}

/** Each resource after those it belongs to. Assumes that there is no cycle. */
export const inDependencyOrder = (resources: ReadonlyArray<Resource.Any>): ReadonlyArray<Resource.Any> => {
  const byName = new Map(resources.map((each) => [each.name, each]))
  const ordered = new Set<Resource.Any>()
  const add = (resource: Resource.Any): void => {
    if (ordered.has(resource)) return
    for (const target of dependencies(resource)) {
      const found = byName.get(target)
      if (found !== undefined) add(found)
    }
    ordered.add(resource)
  }
  resources.forEach(add)
  return [...ordered]
}
