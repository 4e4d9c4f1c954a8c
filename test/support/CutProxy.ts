/** A TCP proxy whose connections a test can cut, as a broker that restarts would. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"

/**
 * Where it listens. `cut` says how many sockets there were; `admit` whether new ones are let in from now on; `hang` has
 * nothing pass from now on, in either direction, and tells nobody.
 */
interface Proxy {
  readonly url: string
  readonly cut: () => number
  readonly admit: (yes: boolean) => void
  readonly hang: () => void
  readonly close: () => void
}

const portOf: { readonly [protocol: string]: number } = { "redis:": 6379, "amqp:": 5672, "postgres:": 5432 }

/** Listens on a free port for the scope. */
export const make = (target: string) =>
  Effect.acquireRelease(
    Effect.callback<Proxy>((resume) => {
      const { hostname, port, protocol } = new URL(target)
      const sockets = new Set<Net.Socket>()
      const cut = () => {
        const count = sockets.size
        for (const socket of sockets) socket.destroy()
        return count
      }
      let admits = true
      const admit = (yes: boolean) => void (admits = yes)
      let hangs = false
      const hang = () => {
        hangs = true
        for (const socket of sockets) socket.unpipe().pause()
      }
      const server = Net.createServer((incoming) => {
        if (!admits) return void incoming.destroy()
        const outgoing = Net.connect(Number(port || portOf[protocol]), hostname)
        for (const socket of [incoming, outgoing]) {
          sockets.add(socket)
          socket.on("error", () => {})
          socket.on("close", () => {
            sockets.delete(socket)
            incoming.destroy()
            outgoing.destroy()
          })
        }
        if (hangs) return
        incoming.pipe(outgoing)
        outgoing.pipe(incoming)
      })
      server.listen(0, "127.0.0.1", () => {
        const url = new URL(target)
        const address = server.address()
        url.hostname = "127.0.0.1"
        url.port = String(typeof address === "object" ? address?.port : "")
        resume(Effect.succeed({ url: url.href, cut, admit, hang, close: () => void server.close() }))
      })
    }),
    ({ close, cut }) =>
      Effect.sync(() => {
        close()
        cut()
      })
  )
