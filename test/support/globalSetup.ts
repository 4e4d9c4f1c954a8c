/**
 * Starts the servers that a run's files share, each when the first file asks for it, and stops them at the end. Shared
 * is the embedded PostgreSQL, where each file makes databases of its own. Restate is not: two files that deploy an
 * object of one name would answer each other's calls, so each file that needs a Restate starts one.
 */
import * as EmbeddedPostgres from "@tenon/embedded/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestProject } from "vitest/node"
import type { Shared } from "./services.ts"

const start: { readonly [name in Shared]: Effect.Effect<string, unknown, Scope.Scope> } = {
  postgres: Effect.map(EmbeddedPostgres.start({ fsync: false }), ({ url }) => Redacted.value(url))
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Effect.runSync(Scope.make())
  const started = new Map<string, Promise<string>>()
  const addressOf = (name: Shared) => {
    const address = started.get(name) ?? Effect.runPromise(Scope.provide(start[name], scope))
    started.set(name, address)
    return address
  }
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? ""
    if (!Object.hasOwn(start, name)) return response.writeHead(404).end(`There is no shared server ${name}.`)
    addressOf(name as Shared).then(
      (address) => response.end(address),
      (error) => response.writeHead(500).end(String(error))
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  project.provide("servers", `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
