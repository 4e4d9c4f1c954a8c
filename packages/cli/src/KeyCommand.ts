/** `tenon key`: makes, lists and revokes a tenant's API keys, in the database of the application. */
import * as ApiKeys from "@tenon/core/ApiKeys"
import { InvalidInput, NotFound } from "@tenon/core/Failure"
import * as ApiKeysSql from "@tenon/sql/ApiKeysSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InstantText } from "./InstantText.ts"
import * as Output from "./Output.ts"
import { print } from "./Root.ts"

const tenant = Argument.String("tenant").pipe(Argument.withDescription("Whose key it is"))

const store = ApiKeysSql.layer().pipe(Layer.provide(TenantSql.layerConfig))

const create = Command.make(
  "create",
  {
    tenant,
    name: Flag.String("name").pipe(Flag.withDescription("What it is for, to tell it from others")),
    roles: Flag.String("role").pipe(Flag.withDescription("A role of whoever has it; may be repeated"), Flag.atLeast(1)),
    expires: Flag.String("expires").pipe(
      Flag.withSchema(InstantText),
      Flag.withDescription("When it ends to be good, as in 2027-01-31; without, it is until it is revoked"),
      Flag.optional
    )
  },
  Effect.fn(function* ({ expires, name, roles, tenant }) {
    const expiresAt = Option.getOrUndefined(Option.map(expires, DateTime.toEpochMillis))
    if (expiresAt !== undefined && expiresAt <= (yield* Clock.currentTimeMillis)) {
      return yield* new InvalidInput({ issues: [{ path: "--expires", message: "has passed" }] })
    }
    const { key, secret } = yield* ApiKeys.create({ tenantId: tenant, name, roles, expiresAt })
    const shown = Redacted.value(secret)
    yield* print({ ...shownOf(key, 0), secret: shown }, shown)
  }, Effect.provide(store))
).pipe(
  Command.withDescription("Make a key and print its secret, which nothing can show again"),
  Command.withExamples([
    { command: "tenon key create acme --name 'night export' --role reader", description: "For a job that only reads" }
  ])
)

const list = Command.make(
  "list",
  { tenant },
  Effect.fn(function* ({ tenant }) {
    const now = yield* Clock.currentTimeMillis
    const all = (yield* (yield* ApiKeys.ApiKeys).list(tenant)).map((key) => shownOf(key, now))
    const rows = all.map((key) => [
      key.id,
      key.name,
      key.roles.join(", "),
      key.status,
      key.createdAt,
      key.expiresAt ?? "-"
    ])
    yield* print(all, all.length === 0 ? `${tenant} has no keys.` : Output.table(headings, rows))
  }, Effect.provide(store))
).pipe(Command.withDescription("List a tenant's keys, the oldest first; never their secrets"))

const revoke = Command.make(
  "revoke",
  { tenant, id: Argument.String("id").pipe(Argument.withDescription("Its id, as `tenon key list` shows it")) },
  Effect.fn(function* ({ id, tenant }) {
    const keys = yield* ApiKeys.ApiKeys
    const known = (yield* keys.list(tenant)).some((key) => key.id === id)
    if (!known) return yield* new NotFound({ resource: "ApiKey", key: id })
    const isNew = yield* keys.revoke(tenant, id, yield* Clock.currentTimeMillis)
    yield* print({ id, revoked: true }, isNew ? `Revoked ${id}.` : `${id} was revoked before.`)
  }, Effect.provide(store))
).pipe(Command.withDescription("Revoke a key; servers that have just seen it may take it for some seconds more"))

const headings = ["ID", "NAME", "ROLES", "STATUS", "CREATED", "EXPIRES"]

/** A key as it is shown: instants in ISO 8601, and whether it lets anyone in. */
const shownOf = ({ createdAt, expiresAt, revokedAt, ...key }: ApiKeys.ApiKey, now: number) => ({
  ...key,
  status: revokedAt !== undefined ? "revoked" : expiresAt !== undefined && expiresAt <= now ? "expired" : "good",
  createdAt: instant(createdAt),
  expiresAt: expiresAt === undefined ? null : instant(expiresAt)
})

const instant = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

export const key = Command.make("key").pipe(
  Command.withDescription("Make, list and revoke a tenant's API keys"),
  Command.withSubcommands([create, list, revoke])
)
