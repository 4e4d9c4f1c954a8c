/** Queues over a database that is there already; imports nothing of the test runner, since workers use it too. */
import * as TransportSql from "@tenon/messaging/TransportSql"
import * as Notifications from "@tenon/sql/Notifications"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { type Roles, transactions } from "./SlipStore.ts"

/** The transport over a database that has the framework's tables. */
export const over = (url: string, roles: Roles, options: Omit<TransportSql.Options, "relayRole"> = {}) =>
  TransportSql.layer({ relayRole: roles.relayRole, ...options }).pipe(
    Layer.provide([
      transactions(url, roles),
      Layer.effect(TransportSql.Listener, Notifications.Notifications).pipe(
        Layer.provide(Notifications.layer({ url: Redacted.make(url) }))
      )
    ])
  )
