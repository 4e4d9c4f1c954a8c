/** The OpenAPI 3.1 description of everything that the door derives from a registry. */
import * as Action from "@tenon/core/Action"
import * as ActionInput from "@tenon/core/ActionInput"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import * as Failure from "@tenon/core/Failure"
import type * as Policy from "@tenon/core/Policy"
import * as Query from "@tenon/core/Query"
import type * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import { RunEventType } from "@tenon/core/RunEvents"
import * as Transitions from "@tenon/core/Transitions"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as EventStream from "./EventStream.ts"
import * as HttpFailure from "./HttpFailure.ts"
import * as OpenApiExample from "./OpenApiExample.ts"
import { type JsonSchema, Schemas } from "./OpenApiSchemas.ts"
import * as Problem from "./Problem.ts"
import * as RestEndpoint from "./RestEndpoint.ts"
import { RunOperation } from "./RunOperation.ts"
import type { Description, Route } from "./Routes.ts"

/** What the document says of the API as a whole. */
export interface Info {
  readonly title: string
  readonly version: string
  readonly description?: string
}

export const defaultInfo: Info = { title: "Tenon", version: "1" }

/** A part of the document. */
export type Json = { readonly [member: string]: unknown }

/** The document of a registry, and of further routes as they describe themselves. */
export const make = (
  registry: Registry.Registry,
  info: Info = defaultInfo,
  further: ReadonlyArray<Route> = []
): Json => {
  const schemas = new Schemas()
  const problems = new Problems(schemas)
  const paths: { [path: string]: { [method: string]: Json } } = {}
  for (const endpoint of RestEndpoint.all(registry)) {
    const path = (paths[endpoint.path] ??= {})
    path[endpoint.method.toLowerCase()] = operation(registry, endpoint, schemas, problems)
  }
  for (const route of further) {
    if (route.description === undefined) continue
    const path = (paths[route.path] ??= {})
    path[route.method.toLowerCase()] = described(route, route.description, schemas, problems)
  }
  return {
    openapi: "3.1.1",
    info,
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: registry.resources.map((resource) => ({
      name: resource.name,
      description: resource.description ?? `Rows of ${resource.name}.`
    })),
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "A JSON Web Token of the configured issuer, or an API key."
        },
        apiKey: { type: "apiKey", in: "header", name: "X-Api-Key", description: "An API key." }
      }
    }
  }
}

const described = (route: Route, description: Description, schemas: Schemas, problems: Problems): Json => {
  const { body, success, tag, ...rest } = description
  const { contentType = "application/json", schema, status } = success
  return {
    ...rest,
    tags: [tag],
    ...(route.open ? { security: [] } : {}),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.required,
            content: { "application/json": { schema: schemas.input(body.schema) } }
          }
        }),
    responses: {
      [status]: {
        description: success.description,
        ...(schema === undefined ? {} : { content: { [contentType]: { schema: schemas.output(schema) } } })
      },
      ...problems.responses([
        Failure.InvalidInput,
        ...(route.open ? [] : [Failure.Unauthenticated, Failure.Forbidden]),
        Failure.Unavailable,
        HttpFailure.Timeout,
        ...(body === undefined ? [] : bodyFailures),
        ...route.errors
      ])
    }
  }
}

const operation = (
  registry: Registry.Registry,
  endpoint: RestEndpoint.Endpoint,
  schemas: Schemas,
  problems: Problems
): Json => {
  const { action, operation, resource } = endpoint
  const name = action?.name ?? (operation === "find" ? "get" : operation === "watch" ? "events" : operation)
  return {
    operationId: `${resource.name}_${name}`,
    tags: [resource.name],
    summary: `${Problem.title(name)} ${Problem.kebab(resource.name).replace(/-/g, " ")}`,
    description: describe(endpoint),
    parameters: parameters(endpoint, schemas),
    ...(action === undefined || Action.isRead(action) ? {} : body(action, schemas)),
    responses: { ...success(registry, endpoint, schemas), ...problems.responses(failures(endpoint)) }
  }
}

const describe = ({ action, operation, resource }: RestEndpoint.Endpoint): string => {
  if (operation === "watch")
    return `What happens in a run of ${resource.name} while it goes on, and what has happened. A client that was cut off comes back with \`Last-Event-ID\`; after \`truncate\` it forgets the tokens of that step, after \`reset\` everything.`
  if (operation === "operations")
    return `What a run of ${resource.name} has done so far, in the order in which it went on from them: steps, sleeps, signals, calls and sends.`
  if (action === undefined)
    return operation === "list"
      ? `A page of ${resource.name} rows. Filter by field: \`?field=value\` or \`?field[operator]=value\`, with the operators ${Query.operators.join(", ")}.`
      : `One ${resource.name}.`
  return [action.description, `Allowed: ${inWords(action.policy)}.`].filter((each) => each !== undefined).join(" ")
}

const inWords = (policy: Policy.Policy): string => {
  switch (policy._tag) {
    case "Everyone":
      return "every actor of the tenant"
    case "Nobody":
      return "nobody"
    case "Roles":
      return policy.roles.filter((role) => role !== "system").join(", ")
    case "Check":
      return policy.name
    case "All":
      return policy.policies.map(inWords).join(", and ")
    case "Any":
      return policy.policies.map(inWords).join(", or ")
  }
}

const eventTypes = ["reset", ...RunEventType.literals].map((each) => `\`${each}\``).join(", ")

const text: JsonSchema = { type: "string" }

const parameters = (endpoint: RestEndpoint.Endpoint, schemas: Schemas): ReadonlyArray<Json> => {
  const { action, resource } = endpoint
  const key: ReadonlyArray<Json> = RestEndpoint.hasKey(endpoint)
    ? [{ name: "id", in: "path", required: true, schema: { type: "string", minLength: 1, maxLength: 200 } }]
    : []
  if (endpoint.operation === "list") return listParameters(resource)
  if (endpoint.operation === "watch")
    return [
      ...key,
      { name: "Last-Event-ID", in: "header", description: "The last event that the caller has.", schema: text }
    ]
  if (endpoint.operation === "operations") return key
  const versioned = Resource.versionField(resource) !== undefined
  if (action === undefined || Action.isRead(action))
    return [
      ...key,
      ...(action === undefined ? [] : queryParameters(action, schemas)),
      ...(versioned && action?.kind !== "stream"
        ? [{ name: "If-None-Match", in: "header", description: "Entity tags that the caller has.", schema: text }]
        : [])
    ]
  return [
    ...key,
    {
      name: "Idempotency-Key",
      in: "header",
      description: "The same key and request give the same answer, done once.",
      schema: { type: "string", minLength: 1, maxLength: 200 }
    },
    ...(versioned && action.kind !== "create"
      ? [{ name: "If-Match", in: "header", description: "The entity tag of the row as it must stand.", schema: text }]
      : [])
  ]
}

const listParameters = (resource: Resource.Any): ReadonlyArray<Json> => [
  ...Query.queryable(resource).map(({ field, literals }) => ({
    name: field,
    in: "query",
    description: `Rows whose ${field} is this; \`${field}[operator]\` compares otherwise.`,
    schema: literals === undefined ? text : { type: "string", enum: literals.map(String) }
  })),
  {
    name: "sort",
    in: "query",
    description: "Fields separated by commas, `-` before one for descending.",
    schema: text
  },
  {
    name: "limit",
    in: "query",
    description: "Rows at most: a page of long rows ends earlier. `next` tells whether there are more.",
    schema: { type: "integer", minimum: 1, maximum: Query.maxLimit, default: Query.defaultLimit }
  },
  { name: "after", in: "query", description: "`next` of the page before.", schema: text }
]

const queryParameters = (action: Action.Any, schemas: Schemas): ReadonlyArray<Json> => {
  const schema = schemas.input(action.input)
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : [])
  const properties = (schema["properties"] ?? {}) as { readonly [name: string]: JsonSchema }
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: "query",
    required: required.has(name),
    schema: each
  }))
}

const body = (action: Action.Any, schemas: Schemas): Json => {
  const schema = schemas.input(action.input)
  const properties = Object.keys((schema["properties"] ?? {}) as object)
  if (properties.length === 0) return {}
  const required = Array.isArray(schema["required"]) && schema["required"].length > 0
  const example = exampleOf(action, schema, schemas)
  return {
    requestBody: {
      required,
      content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } }
    }
  }
}

/** An example that the action's own schema accepts; none where the guess fails. */
const exampleOf = (action: Action.Any, schema: JsonSchema, schemas: Schemas): unknown => {
  const example = OpenApiExample.of(schema, schemas.components)
  return Result.isSuccess(ActionInput.decoder(action)(example)) ? example : undefined
}

const rowOf = (resource: Resource.Any, schemas: Schemas): JsonSchema =>
  schemas.name(resource.name, schemas.output(resource.schema))

const json = (schema: JsonSchema, schemas: Schemas): Json => ({
  "application/json": { schema, example: OpenApiExample.of(schema, schemas.components) }
})

/**
 * Where a row's relationships lead: to the row that it belongs to, and to the list of those that belong to it, which is
 * theirs, filtered.
 */
const linksOf = (registry: Registry.Registry, resource: Resource.Any): Json => {
  const links = Object.entries(resource.relations).flatMap(([name, { _tag, field, target: targetName }]) => {
    const target = registry.resource(targetName)
    const owner = _tag === "BelongsTo" ? resource : target
    if (target === undefined || !owner || !Query.queryable(owner).some((column) => column.field === field)) return []
    const link =
      _tag === "BelongsTo"
        ? {
            description: `The ${target.name} that it belongs to.`,
            operationId: `${target.name}_get`,
            parameters: { id: `$response.body#/${field}` }
          }
        : {
            description: `What it has of ${target.name}: \`${RestEndpoint.collectionPath(target)}?${field}=…\`.`,
            operationId: `${target.name}_list`,
            parameters: { [field]: `$response.body#/${resource.key}` }
          }
    return [[name, link] as const]
  })
  return links.length === 0 ? {} : { links: Object.fromEntries(links) }
}

const success = (registry: Registry.Registry, endpoint: RestEndpoint.Endpoint, schemas: Schemas): Json => {
  const { action, operation, resource } = endpoint
  const etag = Resource.versionField(resource) === undefined ? {} : { ETag: { schema: text } }
  const notModified = "ETag" in etag ? { 304: { description: "The caller has this version." } } : {}
  if (operation === "list") return { 200: page(resource, schemas) }
  if (operation === "watch")
    return {
      200: {
        description: `Server-sent events: ${eventTypes}; the id of each is its number.`,
        content: { [EventStream.contentType]: { schema: text } }
      },
      204: { description: "The caller has all there is." }
    }
  if (operation === "operations") {
    const items = { type: "array", items: schemas.output(RunOperation) }
    const schema = { type: "object", required: ["items"], properties: { items } }
    return { 200: { description: "What it has done.", content: json(schema, schemas) } }
  }
  if (action === undefined)
    return {
      200: {
        description: "The row.",
        headers: etag,
        content: json(rowOf(resource, schemas), schemas),
        ...linksOf(registry, resource)
      },
      ...notModified
    }
  if (RestEndpoint.isVoid(action)) return { 204: { description: "Done." } }
  const isRow = action.kind === "create" || action.kind === "update"
  const schema = isRow ? rowOf(resource, schemas) : schemas.output(action.output)
  if (action.kind === "stream")
    return { 200: { description: "One JSON value per line.", content: { "application/x-ndjson": { schema } } } }
  const headers = action.kind === "create" ? { Location: { schema: text }, ...etag } : etag
  const status = action.kind === "create" ? 201 : 200
  return {
    [status]: {
      description: "Done.",
      headers,
      content: json(schema, schemas),
      ...(isRow ? linksOf(registry, resource) : {})
    },
    ...(action.kind === "read" ? notModified : {})
  }
}

const page = (resource: Resource.Any, schemas: Schemas): Json => ({
  description: "A page.",
  headers: { Link: { description: "The next page, where there is one.", schema: text } },
  content: json(
    {
      type: "object",
      required: ["items", "next"],
      properties: { items: { type: "array", items: rowOf(resource, schemas) }, next: { type: ["string", "null"] } }
    },
    schemas
  )
})

/** What may be wrong with how a body comes. */
const bodyFailures: ReadonlyArray<Action.ErrorClass> = [
  HttpFailure.MalformedBody,
  HttpFailure.RequestTimeout,
  HttpFailure.BodyTooLarge,
  HttpFailure.UnsupportedMediaType,
  HttpFailure.UnknownTransferCoding
]

/** The failures that an endpoint can answer with: its own, and the framework's that can come about there. */
const failures = ({ action, operation, resource }: RestEndpoint.Endpoint): ReadonlyArray<Action.ErrorClass> => [
  Failure.InvalidInput,
  Failure.Unauthenticated,
  Failure.Forbidden,
  Failure.SchemaMismatch,
  Failure.Unavailable,
  HttpFailure.Timeout,
  ...(operation === "list" ? [] : [Failure.NotFound]),
  ...(action === undefined || Action.isRead(action)
    ? []
    : [
        ...bodyFailures,
        Failure.InvalidOutcome,
        Failure.AlreadyExists,
        Failure.BrokenReference,
        Failure.IdempotencyKeyReused,
        ...(Transitions.fieldsOf(resource).length > 0 ? [Failure.InvalidTransition] : []),
        ...(Resource.versionField(resource) === undefined ? [] : [Failure.VersionConflict])
      ]),
  ...(action?.errors ?? [])
]

/** The problem schemas of failures, each made once. */
class Problems {
  readonly #schemas: Schemas
  readonly #refs = new Map<Action.ErrorClass, JsonSchema>()
  readonly #base: JsonSchema
  readonly #unexpected: JsonSchema

  constructor(schemas: Schemas) {
    this.#schemas = schemas
    this.#base = schemas.name("Problem", {
      type: "object",
      description: "Problem details (RFC 9457).",
      required: ["type", "title", "status", "detail", "instance", "tag", "requestId"],
      properties: {
        type: { type: "string", format: "uri-reference" },
        title: text,
        status: { type: "integer" },
        detail: text,
        instance: { type: "string", format: "uri-reference" },
        tag: text,
        requestId: text
      }
    })
    this.#unexpected = this.#named("Unexpected", "A fault of the server.", 500, {})
  }

  responses(classes: ReadonlyArray<Action.ErrorClass>): Json {
    const byStatus = new Map<number, Array<{ readonly schema: JsonSchema; readonly description: string }>>([
      [500, [{ schema: this.#unexpected, description: "A fault of the server." }]]
    ])
    for (const errorClass of new Set(classes)) {
      const { status } = ErrorBoundary.classification(errorClass)
      const found = byStatus.get(status) ?? []
      byStatus.set(status, [...found, { schema: this.#of(errorClass), description: descriptionOf(errorClass) }])
    }
    return Object.fromEntries(
      [...byStatus].map(([status, each]) => [
        String(status),
        {
          description: each.map(({ description }) => description).join(" Or: "),
          content: {
            [Problem.contentType]: {
              schema: each.length === 1 ? each[0]?.schema : { oneOf: each.map(({ schema }) => schema) }
            }
          }
        }
      ])
    )
  }

  #of(errorClass: Action.ErrorClass): JsonSchema {
    const found = this.#refs.get(errorClass)
    if (found !== undefined) return found
    const own = this.#resolve(this.#schemas.output(errorClass))
    const { _tag, issues, ...rest } = (own["properties"] ?? {}) as { readonly [name: string]: JsonSchema }
    const tag = tagOf(_tag)
    const { status } = ErrorBoundary.classification(errorClass)
    const properties = issues === undefined ? rest : { ...rest, errors: issues }
    const ref = this.#named(tag, descriptionOf(errorClass), status, properties)
    this.#refs.set(errorClass, ref)
    return ref
  }

  #named(
    tag: string,
    description: string,
    status: number,
    properties: { readonly [name: string]: JsonSchema }
  ): JsonSchema {
    return this.#schemas.name(`${tag}Problem`, {
      description,
      allOf: [
        this.#base,
        {
          type: "object",
          required: Object.keys(properties).filter((name) => !Problem.isReserved(name) || name === "errors"),
          properties: {
            ...properties,
            tag: { const: tag },
            status: { const: status },
            type: { const: Problem.typeOf(tag) }
          }
        }
      ]
    })
  }

  /** An error class is a named schema; its problem holds its fields, so the name itself is not needed. */
  #resolve(schema: JsonSchema): JsonSchema {
    const { $ref } = schema
    if (typeof $ref !== "string") return schema
    const name = $ref.slice($ref.lastIndexOf("/") + 1)
    const found = this.#schemas.components[name]
    delete this.#schemas.components[name]
    return found ?? {}
  }
}

const tagOf = (schema: JsonSchema | undefined): string => {
  const values = schema?.["enum"]
  return String(Array.isArray(values) ? values[0] : schema?.["const"])
}

const descriptionOf = (errorClass: Action.ErrorClass): string => {
  const description = Schema.resolveAnnotations(errorClass)?.["description"]
  return typeof description === "string" ? description : "Declared by the action."
}
