/** Our runs on PostgreSQL alone, carried out in this process. */
import { randomUUID } from "node:crypto"
import * as Executor from "@tenon/core/Executor"
import { RunStore } from "@tenon/core/RunStore"
import { Runtime } from "@tenon/core/Runtime"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as RuntimeSql from "@tenon/sql/RuntimeSql"
import * as StoreSql from "@tenon/sql/StoreSql"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { Concurrent, registry, Sequential, stepWorkflows } from "./Programs.ts"
import { type Kind, type Side, text } from "./Shape.ts"

const actor = { id: "bench", tenantId: "bench", kind: "user", roles: ["admin"] } as const
const names = { sequential: Sequential.name, concurrent: Concurrent.name }

/** Tells of runs whose end is in the database. */
const told = (ended: (key: string) => void) =>
  Layer.effect(
    RunStore,
    Effect.map(RunStore, (store) =>
      RunStore.of({
        ...store,
        // Without interruption: an engine that looks just then may find the run ended before its own write is answered.
        write: (claim, offset, write) =>
          Effect.tap(store.write(claim, offset, write), () =>
            Effect.sync(() => {
              if (write.next._tag === "Ended") ended(claim.key)
              else if (write.next._tag === "Paused") throw new Error(write.next.problem)
            })
          ).pipe(Effect.uninterruptible)
      })
    )
  )

/** A session pool as large as the peer's. */
export const sessions = 10

/** Ours, over a database that is migrated. */
export const ours = async (url: string): Promise<Side> => {
  const waiting = new Map<string, () => void>()
  const managed = ManagedRuntime.make(
    RuntimeSql.layer().pipe(
      Layer.provide([
        Executor.layer(registry),
        told((key) => {
          waiting.get(key)?.()
          waiting.delete(key)
        }),
        stepWorkflows
      ]),
      Layer.provide(StoreSql.layer(registry)),
      Layer.provide([TenantSql.layer({ url: Redacted.make(url), maxConnections: sessions }), ReadinessChecks.layer]),
      Layer.provideMerge(Layer.succeed(References.TracerEnabled, false))
    )
  )
  const runtime = await managed.runPromise(Runtime)
  return {
    carryOut: async (kind: Kind) => {
      const key = randomUUID()
      const ended = new Promise<void>((resolve) => waiting.set(key, resolve))
      const start = { _tag: "StartWorkflow", workflow: names[kind], key, input: { text }, delayMillis: 0 } as const
      await managed.runPromise(runtime.deliver(actor, start, key))
      await ended
    },
    close: () => managed.dispose()
  }
}
