/**
 * Which routes a registry has, as data: what `Rest` serves and `OpenApi` describes.
 *
 * A resource is served under its table's name in kebab case. `create` is a `POST` to the collection, the destroy action
 * a `DELETE` of the row, the read `get` a `GET` of it. Every other action has its own name: `POST /{id}/<action>` where
 * it writes, `GET /{id}/<action>` where it reads or streams, and `POST /-/<action>` for further creates. No key is
 * mistaken for the hyphen, since what follows it is always the name of a create, which no row answers to.
 */
import type * as Action from "@tenon/core/Action"
import type * as Registry from "@tenon/core/Registry"
import type * as Resource from "@tenon/core/Resource"
import { kebab } from "./Problem.ts"

/** Where the derived routes begin. */
export const base = "/api/v1"

/**
 * One derived route. `find` and `list` are the interpreter's own reads, `watch` gives a run's events and `operations`
 * what it has done; `perform` runs the action.
 */
export interface Endpoint {
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  readonly resource: Resource.Any
  readonly operation: "list" | "find" | "watch" | "operations" | "perform"
  /** The action of `perform`. */
  readonly action: Action.Any | undefined
}

/** `channel_deliveries` → `/api/v1/channel-deliveries`. A schema before the table's name is left out. */
export const collectionPath = (resource: Resource.Any): string =>
  `${base}/${kebab(resource.table.slice(resource.table.lastIndexOf(".") + 1))}`

/** The action that a `DELETE` performs: the only destroy action, or the one with the plainest name. */
export const destroyOf = (resource: Resource.Any): Action.Any | undefined => {
  const destroys = Object.values(resource.actions).filter((action) => action.kind === "destroy")
  const named = (name: string) => destroys.find((action) => action.name === name)
  return named("destroy") ?? named("delete") ?? named("remove") ?? destroys[0]
}

/** Every route of a registry's resources. */
export const all = (registry: Registry.Registry): ReadonlyArray<Endpoint> => registry.resources.flatMap(ofResource)

const ofResource = (resource: Resource.Any): ReadonlyArray<Endpoint> => {
  const path = collectionPath(resource)
  const destroy = destroyOf(resource)
  const get = resource.actions["get"]
  const list: Endpoint = { method: "GET", path, resource, operation: "list", action: undefined }
  const find: ReadonlyArray<Endpoint> =
    get?.kind === "read"
      ? []
      : [{ method: "GET", path: `${path}/{id}`, resource, operation: "find", action: undefined }]
  const actions = Object.values(resource.actions).map((action): Endpoint => {
    const { method, path: at } = place(path, action, action === destroy)
    return { method, path: at, resource, operation: "perform", action }
  })
  const watch: ReadonlyArray<Endpoint> =
    resource.watch === undefined
      ? []
      : [
          { method: "GET", path: `${path}/{id}/events`, resource, operation: "watch", action: undefined },
          { method: "GET", path: `${path}/{id}/operations`, resource, operation: "operations", action: undefined }
        ]
  return [list, ...find, ...watch, ...actions]
}

const place = (path: string, action: Action.Any, isDestroy: boolean): Pick<Endpoint, "method" | "path"> => {
  const name = kebab(action.name)
  switch (action.kind) {
    case "create":
      return { method: "POST", path: action.name === "create" ? path : `${path}/-/${name}` }
    case "read":
      return { method: "GET", path: action.name === "get" ? `${path}/{id}` : `${path}/{id}/${name}` }
    case "stream":
      return { method: "GET", path: `${path}/{id}/${name}` }
    case "destroy":
      return isDestroy ? { method: "DELETE", path: `${path}/{id}` } : { method: "POST", path: `${path}/{id}/${name}` }
    case "update":
    case "action":
      return { method: "POST", path: `${path}/{id}/${name}` }
  }
}

/** Whether an endpoint is addressed to one row. */
export const hasKey = (endpoint: Endpoint): boolean => endpoint.path.includes("/{id}")

/** Whether an endpoint's answer has no body. */
export const isVoid = (action: Action.Any): boolean =>
  action.kind === "destroy" || (action.kind !== "stream" && action.output.ast._tag === "Void")
