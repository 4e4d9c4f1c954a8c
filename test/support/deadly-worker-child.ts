/** A worker over PostgreSQL alone, with short leases, one of whose programs stops its process for good. */
import * as Durable from "@tenon/core/Durable"
import * as Executor from "@tenon/core/Executor"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as Registry from "@tenon/core/Registry"
import * as Workflow from "@tenon/core/Workflow"
import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Roles } from "./SlipStore.ts"

/** What each does, by its input: nothing for a while, or nothing else ever again, in the program or in a step. */
export const Work = Workflow.make("DeadlyWork", {
  input: { kind: Schema.Literals(["harmless", "in the program", "in a step"]) }
})
export const registry = Registry.make({ resources: [], workflows: [Work] })

const forever = Effect.sync((): void => {
  for (;;);
})

const program = Workflow.implement(
  Work,
  Effect.fnUntraced(function* ({ kind }) {
    const { key, step } = yield* Durable.Durable
    yield* Effect.sync(() => process.stdout.write(`goes on with ${key}\n`))
    if (kind === "in the program") yield* forever
    if (kind === "in a step") yield* step("work", forever)
    yield* step("first", Effect.sleep("300 millis"))
    yield* step("second", Effect.sleep("2 seconds"))
  })
)

/** The store over a database that is there. */
export const store = (url: string, roles: Roles) =>
  StoreSql.layer(registry, roles).pipe(
    Layer.provideMerge(TenantSql.layer({ url: Redacted.make(url), role: roles.appRole })),
    Layer.provideMerge(ReadinessChecks.layer)
  )

if (import.meta.main) {
  const { roles, url }: { readonly url: string; readonly roles: Roles } = JSON.parse(process.argv[2] ?? "")
  const worker = RuntimeSql.layer({ lease: "1 second", idle: "50 millis", poll: "50 millis" }).pipe(
    Layer.provide([Executor.layer(registry), Workflow.layer(program)]),
    Layer.provide(store(url, roles))
  )
  process.stdout.write("started\n")
  setInterval(() => process.stdout.write("alive\n"), 50)
  await Effect.runPromise(Layer.launch(worker))
}
