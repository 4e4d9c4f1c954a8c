/** The application as `tenon dev` composes it does not start on a database that does not keep tenants apart. */
import * as Server from "@tenon/cli/Server"
import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Registry from "@tenon/core/Registry"
import { Widget } from "@tenon/examples/widget/Widget"
import * as Migrations from "@tenon/sql/Migrations"
import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scratch from "../support/ScratchDatabase.ts"

const registry = Registry.make({ resources: [Widget] })

it.live("a server does not start where a table lost what keeps tenants apart", () =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch()
    const on = Scratch.on(scratch)
    yield* on(Migrations.ensure({ registry }))
    const env = { DATABASE_URL: Scratch.urlOf(scratch.name), RUNTIME: "postgres", PORT: "0" }
    const start = Layer.build(
      Server.layer(TenonConfig.define({ directory: ".", registry })).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      )
    ).pipe(Effect.scoped)
    yield* start
    yield* on(Scratch.run("alter table widgets no force row level security"))
    const forced = yield* Effect.flip(start)
    assert.match(forced.message, /public\.widgets: row security is not forced/)
    yield* on(Scratch.run("alter table widgets force row level security"))
    yield* on(Scratch.run("alter policy tenant_isolation on widgets using (true)"))
    const open = yield* Effect.flip(start)
    assert.match(open.message, /public\.widgets: the policy tenant_isolation differs/)
  }).pipe(Effect.scoped)
)
