/** Finds the route of a path: a tree of path segments, in which a fixed segment goes before a parameter. */
import type * as Action from "@tenon/core/Action"
import type { CurrentActor } from "@tenon/core/Actor"
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type * as Schema from "effect/Schema"
import type { Exchange } from "./Exchange.ts"

/** Answers a request. Every failure becomes a problem; one that nobody declares becomes a 500. */
export type Handler = (exchange: Exchange) => Effect.Effect<HttpServerResponse, unknown, CurrentActor>

/** What the description of the API says of a route that no resource is the source of. */
export interface Description {
  readonly operationId: string
  /** Under which heading it stands. */
  readonly tag: string
  readonly summary: string
  readonly description?: string
  /** OpenAPI parameter objects, those of the path included. */
  readonly parameters?: ReadonlyArray<{ readonly [member: string]: unknown }>
  /** What its body may hold, where it takes one; whether that must be there. */
  readonly body?: { readonly required: boolean; readonly schema: Schema.Constraint }
  readonly success: {
    readonly status: number
    readonly description: string
    /** Nothing where there is no body. */
    readonly schema?: Schema.Constraint
    /** Default `application/json`. */
    readonly contentType?: string
  }
}

/** Something that is served. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Parameters are whole segments in braces, as in `/api/v1/widgets/{id}`. */
  readonly path: string
  /** The failures that the route declares beyond the framework's. */
  readonly errors: ReadonlyArray<Action.ErrorClass>
  /** Whether it is served without a token, in which case the actor is nobody. */
  readonly open: boolean
  /** Without one the description of the API leaves it out. */
  readonly description?: Description
  readonly handle: Handler
}

/** What is served at a path, by method. */
export type Methods = { readonly [method: string]: Route }

/** What a path leads to. */
export interface Found {
  readonly methods: Methods
  readonly params: ReadonlyArray<string>
}

interface Node {
  readonly fixed: Map<string, Node>
  param: Node | undefined
  methods: { [method: string]: Route } | undefined
}

const makeNode = (): Node => ({ fixed: new Map(), param: undefined, methods: undefined })

const isParam = (segment: string) => segment.startsWith("{")

/** Thrown at start-up where two routes have one method and path. */
export class RouteClash extends Error {
  override readonly name = "RouteClash"
}

/** Makes the look-up of a set of routes. */
export const make = (routes: ReadonlyArray<Route>): ((path: string) => Found | undefined) => {
  const root = makeNode()
  for (const route of routes) {
    let node = root
    for (const segment of route.path.split("/").slice(1)) {
      if (isParam(segment)) node = node.param ??= makeNode()
      else {
        const next: Node = node.fixed.get(segment) ?? makeNode()
        node.fixed.set(segment, next)
        node = next
      }
    }
    const methods = (node.methods ??= Object.create(null) as { [method: string]: Route })
    const other = methods[route.method]
    if (other !== undefined) throw new RouteClash(`Two routes are ${route.method} ${route.path}; rename one of them`)
    methods[route.method] = route
  }
  return (path) => {
    if (path.charCodeAt(0) !== 47) return undefined
    return find(root, path.split("/"), 1, [])
  }
}

const find = (
  node: Node,
  segments: ReadonlyArray<string>,
  at: number,
  params: ReadonlyArray<string>
): Found | undefined => {
  const segment = segments[at]
  if (segment === undefined) return node.methods === undefined ? undefined : { methods: node.methods, params }
  const next = node.fixed.get(segment)
  const found = next === undefined ? undefined : find(next, segments, at + 1, params)
  if (found !== undefined) return found
  return node.param === undefined || segment === ""
    ? undefined
    : find(node.param, segments, at + 1, [...params, segment])
}
