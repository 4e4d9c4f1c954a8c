/** Ports of 127.0.0.1 that are free now, for a server that must be told where to listen. Another process may take one. */
import * as NodeNet from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const host = "127.0.0.1"

/** This machine gives no port. */
export class NoFreePort extends Schema.TaggedError<NoFreePort>()("NoFreePort", { message: Schema.String }) {}

const held = () =>
  new Promise<NodeNet.Server>((resolve, reject) => {
    const server = NodeNet.createServer().once("error", reject)
    server.listen(0, host, () => resolve(server))
  })

const portOf = (server: NodeNet.Server): Promise<number> => {
  const { port } = server.address() as NodeNet.AddressInfo
  return new Promise((resolve) => server.close(() => resolve(port)))
}

/** One for each name, all different because they are held together before any is given back. */
export const many = <const Name extends string>(
  ...names: ReadonlyArray<Name>
): Effect.Effect<{ readonly [N in Name]: number }, NoFreePort> =>
  Effect.tryPromise({
    try: async () => {
      const servers = await Promise.all(names.map(held))
      const ports = await Promise.all(servers.map(portOf))
      return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as { [N in Name]: number }
    },
    catch: (cause) => new NoFreePort({ message: `No port is free on ${host}: ${cause}` })
  })

/** One. */
export const one: Effect.Effect<number, NoFreePort> = Effect.map(many("port"), ({ port }) => port)
