/** Durable creates: ours through HTTP, Restate and its handler; the peer's straight through Restate's ingress. */
import { randomUUID } from "node:crypto"
import { fire, type Round } from "./load.ts"

/** What is compared. */
export interface Options {
  readonly origin: string
  readonly token: string
  readonly ingressUrl: string
  readonly tenant: string
  readonly concurrency: number
  readonly roundMillis: number
}

/** Five rounds each, by turns. Ours has a hop more: the HTTP door in front of the ingress. */
export const alternate = async (options: Options) => {
  const { concurrency, ingressUrl, origin, roundMillis, tenant, token } = options
  const ours = () =>
    fire(
      origin,
      token,
      { method: "POST", path: "/api/v1/tasks", body: () => JSON.stringify({ name: randomUUID() }) },
      concurrency,
      roundMillis
    )
  const peer = () =>
    fire(
      ingressUrl,
      token,
      {
        method: "POST",
        path: () => `/PeerTask/${randomUUID()}/create`,
        body: () => JSON.stringify({ tenant, name: randomUUID() })
      },
      concurrency,
      roundMillis
    )
  await ours()
  await peer()
  const rounds: { readonly ours: Array<Round>; readonly peer: Array<Round> } = { ours: [], peer: [] }
  for (let round = 0; round < 5; round++) {
    rounds.ours.push(await ours())
    rounds.peer.push(await peer())
  }
  return rounds
}
