/** Whether a server is there to be used, before one is started or a test is skipped. */
import { connect } from "node:net"

const ports: { readonly [protocol: string]: number } = {
  "redis:": 6379,
  "amqp:": 5672,
  "postgres:": 5432,
  "postgresql:": 5432
}

/** Whether something listens where a URL points. */
export const listens = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const { hostname, port, protocol } = new URL(url)
    const socket = connect(Number(port || ports[protocol]), hostname)
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => done(false))
    socket.once("connect", () => done(true))
    socket.once("error", () => done(false))
  })
