/**
 * Ports of 127.0.0.1 that are free now, for a server that must be told where to listen. Another process may take one.
 */
import { randomInt } from "node:crypto"
import * as NodeNet from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const host = "127.0.0.1"

/** This machine gives no port. */
export class NoFreePort extends Schema.TaggedError<NoFreePort>()("NoFreePort", { message: Schema.String }) {}

/**
 * Below the ports that systems give to connections (from 32768 on Linux, 49152 elsewhere): one of those may be taken by
 * any connection of any process before the server listens.
 */
const [first, last] = [15_000, 32_000]

const attempts = 100

/** A port that is taken until the scope closes. */
const held = Effect.acquireRelease(
  Effect.callback<NodeNet.Server, NoFreePort>((resume) => {
    const server = NodeNet.createServer()
    const message = `No port is free on ${host}`
    server.once("error", (cause) => resume(Effect.fail(new NoFreePort({ message: `${message}: ${cause}` }))))
    server.listen(randomInt(first, last), host, () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
).pipe(
  Effect.retry({ times: attempts }),
  Effect.map((server) => (server.address() as NodeNet.AddressInfo).port)
)

/** One for each name, all different because they are held together before any is given back. */
export const many = <const Name extends string>(
  ...names: ReadonlyArray<Name>
): Effect.Effect<{ readonly [N in Name]: number }, NoFreePort> =>
  Effect.forEach(names, (name) => Effect.map(held, (port) => [name, port] as const)).pipe(
    Effect.scoped,
    Effect.map((ports) => Object.fromEntries(ports) as { [N in Name]: number })
  )

/** One. */
export const one: Effect.Effect<number, NoFreePort> = Effect.map(many("port"), ({ port }) => port)
