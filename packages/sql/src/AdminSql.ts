/**
 * The owner's door: plain SQL as the login, without a tenant, for migrations,
 * catalogue checks and other work on the schema itself.
 *
 * Row security does not bind a table's owner or a superuser here, except where
 * it is forced, and then a change without a tenant touches no rows and says
 * nothing. Never hand this to a request.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as SqlError from "effect/sql/SqlError"

export interface Options {
  readonly url: Redacted.Redacted
  /** Sessions at most. Default 2: one for work, one for whoever waits on it. */
  readonly maxConnections?: number
}

/** A `SqlClient` that works as the login. Losing the connection within its `withTransaction` is a defect. */
export const layer = (options: Options): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  PgClient.layer({ url: options.url, maxConnections: options.maxConnections ?? 2, applicationName: "tenon-admin" })

/** `DATABASE_ADMIN_URL`, or `DATABASE_URL` where there is none. */
export const url = Config.Redacted("DATABASE_ADMIN_URL").pipe(Config.orElse(() => Config.Redacted("DATABASE_URL")))

/** The same, from `DATABASE_ADMIN_URL`, or `DATABASE_URL` where there is none. */
export const layerConfig: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, Config.ConfigError | SqlError.SqlError> =
  PgClient.layerConfig({
    url,
    maxConnections: Config.succeed(2),
    applicationName: Config.succeed("tenon-admin")
  })
