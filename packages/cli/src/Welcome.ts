/** What `tenon dev` prints when it serves: what to open, and three requests to try. */
import type * as DevelopmentKeys from "./DevelopmentKeys.ts"
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
    ...requests(url, key, other),
    "",
    "Ctrl-C stops everything."
  ].join("\n")
}

const requests = (url: string, key: string, other: string): ReadonlyArray<string> => [
  `  curl -s ${url}/api/v1/widgets -H 'authorization: Bearer ${key}' -H 'content-type: application/json' -d '{"name":"bolt"}'`,
  `  curl -s ${url}/api/v1/widgets -H 'authorization: Bearer ${key}'`,
  `  curl -s ${url}/api/v1/widgets -H 'authorization: Bearer ${other}'     # the other tenant sees none of them`
]
