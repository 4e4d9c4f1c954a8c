/**
 * Durable creates, called from this process and run in another: ours through the interpreter and Restate, the peer's
 * through Restate's ingress. Neither side has an HTTP API in front of it here.
 */
import { randomUUID } from "node:crypto"
import { CurrentActor } from "@tenon/core/Actor"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import * as Interpreter from "@tenon/core/Interpreter"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Tenon from "@tenon/core/Tenon"
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
import { registry, Task } from "./Domain.ts"
import { repeat, type Round, warmUpMillis } from "./load.ts"

/** What is compared. */
export interface Options {
  readonly ingressUrl: string
  /** The key that the handlers' process checks contexts with. */
  readonly contextKey: string
  readonly tenant: string
  readonly concurrency: number
  readonly roundMillis: number
}

/** This side of ours: it only calls, so its store stays empty. */
const client = ({ contextKey, ingressUrl }: Options) =>
  Layer.unwrap(
    Effect.map(ContextKeys.parse(Redacted.make(contextKey)), (keys) => RuntimeRestate.layer({ ingressUrl, keys }))
  ).pipe(
    (runtime) => Interpreter.layer.pipe(Layer.provide(runtime)),
    Layer.provide([Executor.layer(registry), FetchHttpClient.layer, ReadinessChecks.layer]),
    Layer.provide([MemoryStore.layer(registry), AuditLog.layerLog]),
    Layer.provideMerge(Layer.succeed(References.TracerEnabled, false))
  )

/** Five rounds each, by turns. */
export const alternate = async (options: Options) => {
  const { concurrency, ingressUrl, roundMillis, tenant } = options
  const runtime = ManagedRuntime.make(client(options))
  const actor = { id: "bench", tenantId: tenant, kind: "user", roles: ["admin"] } as const
  const pool = new Pool(ingressUrl, { connections: concurrency, pipelining: 1 })
  const ours = () =>
    runtime.runPromise(
      Tenon.invoke(Task.actions.create, { name: randomUUID() }).pipe(Effect.provideService(CurrentActor, actor))
    )
  const peer = async () => {
    const { body, statusCode } = await pool.request({
      method: "POST",
      path: `/PeerTask/${randomUUID()}/create`,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tenant, name: randomUUID() })
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`The peer answered ${statusCode}: ${text}`)
  }
  const rounds: { readonly ours: Array<Round>; readonly peer: Array<Round> } = { ours: [], peer: [] }
  await repeat(ours, concurrency, warmUpMillis)
  await repeat(peer, concurrency, warmUpMillis)
  for (let round = 0; round < 5; round++) {
    rounds.ours.push(await repeat(ours, concurrency, roundMillis))
    rounds.peer.push(await repeat(peer, concurrency, roundMillis))
  }
  await pool.close()
  await runtime.dispose()
  return rounds
}
