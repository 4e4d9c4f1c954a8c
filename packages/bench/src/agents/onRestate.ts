/**
 * Runs on Restate, started from this process and carried out in others: ours through the runtime, the peer's through
 * Restate's ingress. Both are started one way and then waited for at the ingress.
 */
import { randomUUID } from "node:crypto"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import * as MemoryStore from "@tenon/core/MemoryStore"
import { Runtime } from "@tenon/core/Runtime"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RuntimeRestate from "@tenon/restate/RuntimeRestate"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Pool } from "undici"
import { Concurrent, registry, Sequential } from "./Programs.ts"
import { type Kind, type Side, text } from "./Shape.ts"

const actor = { id: "bench", tenantId: "bench", kind: "user", roles: ["admin"] } as const

/** This side of ours: it only starts runs, so its store stays empty. */
const client = (ingressUrl: string, contextKey: string) =>
  Layer.unwrap(
    Effect.map(ContextKeys.parse(Redacted.make(contextKey)), (keys) => RuntimeRestate.layer({ ingressUrl, keys }))
  ).pipe(
    Layer.provide([Executor.layer(registry), FetchHttpClient.layer, ReadinessChecks.layer]),
    Layer.provide([MemoryStore.layer(registry), AuditLog.layerLog]),
    Layer.provideMerge(Layer.succeed(References.TracerEnabled, false))
  )

const poolOf = (ingressUrl: string) => {
  const pool = new Pool(ingressUrl, { connections: 64, pipelining: 1 })
  const ask = async (method: "GET" | "POST", path: string, body: string | null) => {
    const answer = await pool.request({ method, path, headers: { "content-type": "application/json" }, body })
    const said = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${said}`)
  }
  const attach = (workflow: string, key: string) =>
    ask("GET", `/restate/workflow/${workflow}/${encodeURIComponent(key)}/attach`, null)
  return { ask, attach, close: () => pool.close() }
}

const names = { sequential: Sequential.name, concurrent: Concurrent.name }

/** Ours. */
export const ours = async (ingressUrl: string, contextKey: string): Promise<Side> => {
  const managed = ManagedRuntime.make(client(ingressUrl, contextKey))
  const runtime = await managed.runPromise(Runtime)
  const { attach, close } = poolOf(ingressUrl)
  return {
    carryOut: async (kind: Kind) => {
      const key = randomUUID()
      const workflow = names[kind]
      const start = { _tag: "StartWorkflow", workflow, key, input: { text }, delayMillis: 0 } as const
      await managed.runPromise(runtime.deliver(actor, start, key))
      await attach(workflow, `${actor.tenantId}/${key}`)
    },
    close: () => close().then(() => managed.dispose())
  }
}

/** The peer's. */
export const peer = (ingressUrl: string): Side => {
  const { ask, attach, close } = poolOf(ingressUrl)
  const services = { sequential: "PeerSequential", concurrent: "PeerConcurrent" }
  return {
    carryOut: async (kind: Kind) => {
      const key = randomUUID()
      await ask("POST", `/${services[kind]}/${key}/run/send`, JSON.stringify({ text }))
      await attach(services[kind], key)
    },
    close
  }
}
