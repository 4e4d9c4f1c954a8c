/** What `tenon dev` prints when it serves: what to open, and three requests to try. */
import type * as DevelopmentKeys from "./DevelopmentKeys.ts"
import type { Registry } from "@tenon/core/Registry"
import * as OpenApi from "@tenon/http/OpenApi"
import * as RestEndpoint from "@tenon/http/RestEndpoint"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { TenonConfig } from "./TenonConfig.ts"

/** What there is to say. */
export interface Facts {
  readonly application: TenonConfig
  readonly url: string
  readonly keys: DevelopmentKeys.Keys
  /** Restate's own page, where it was started here. */
  readonly adminUrl: string | undefined
}

/** The text. */
export const text = ({ adminUrl, application, keys, url }: Facts): string => {
  const tenants = Object.entries(keys)
  const key = tenants[0]?.[1]["admin"] ?? ""
  const other = tenants[1]?.[1]["admin"] ?? ""
  return [
    "",
    `${application.title} is served at ${url}`,
    "",
    `  docs      ${url}/docs`,
    `  metrics   ${url}/metrics`,
    ...(adminUrl === undefined ? [] : [`  restate   ${adminUrl}/ui`]),
    "",
    "Two tenants, a key for each role:",
    ...tenants.flatMap(([tenant, roles]) =>
      Object.entries(roles).map(([role, secret]) => `  ${tenant.padEnd(8)} ${role.padEnd(7)} ${secret}`)
    ),
    "",
    "Try:",
    ...requests(application, url, key, other),
    ...application.tryOut.map((line) => `  ${line}`),
    "",
    "Ctrl-C stops everything."
  ].join("\n")
}

const Body = Schema.Struct({
  content: Schema.Record(Schema.String, Schema.Struct({ example: Schema.optionalKey(Schema.Json) }))
})
const Document = Schema.Struct({
  paths: Schema.Record(
    Schema.String,
    Schema.Struct({ post: Schema.optionalKey(Schema.Struct({ requestBody: Schema.optionalKey(Body) })) })
  )
})

/** The example of a create, as the documentation of the API has it. */
const exampleOf = (registry: Registry, path: string): string => {
  const document = Schema.decodeUnknownOption(Document)(OpenApi.make(registry))
  const example = Option.map(
    document,
    ({ paths }) => paths[path]?.post?.requestBody?.content["application/json"]?.example
  )
  return JSON.stringify(Option.getOrElse(example, () => ({})) ?? {})
}

/** On the first resource that can be created, with the example that its documentation gives. */
const requests = ({ registry }: TenonConfig, url: string, key: string, other: string): ReadonlyArray<string> => {
  const resource = registry.resources.find((each) => each.actions["create"] !== undefined) ?? registry.resources[0]
  const create = resource?.actions["create"]
  if (resource === undefined) return []
  const collection = `${url}${RestEndpoint.collectionPath(resource)}`
  return [
    ...(create === undefined
      ? []
      : [
          `  curl -s ${collection} -H 'authorization: Bearer ${key}' -H 'content-type: application/json' -d '${exampleOf(registry, RestEndpoint.collectionPath(resource))}'`
        ]),
    `  curl -s ${collection} -H 'authorization: Bearer ${key}'`,
    `  curl -s ${collection} -H 'authorization: Bearer ${other}'     # the other tenant sees none of them`
  ]
}
