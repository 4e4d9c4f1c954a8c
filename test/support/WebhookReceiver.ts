/** A receiver of webhooks over real HTTP that keeps what it was sent and answers as a test says. */
import * as WebhookSignature from "@tenon/agents/WebhookSignature"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** What a receiver was sent. */
export interface Hit {
  readonly id: string
  readonly path: string
  readonly at: number
  readonly body: { readonly type: string; readonly data: { readonly position: number; readonly threadId: string } }
  readonly text: string
  readonly headers: IncomingMessage["headers"]
  readonly answered: number | "cut" | "hang"
}

/** Answers the n-th attempt (from 1) of a delivery: a status with headers, a cut connection, or nothing at all. */
export type Answer = (
  attempt: number,
  path: string
) => number | "cut" | "hang" | { readonly status: number; readonly headers: Readonly<Record<string, string>> }

const textOf = async (request: IncomingMessage) => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

/** Starts a receiver on a free port of this machine; it stops with the scope. */
export const start = (initial: Answer = () => 200) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const hits: Array<Hit> = []
      const receiver = { url: "", hits, answer: initial, close: () => {} }
      const handle = async (request: IncomingMessage, response: ServerResponse) => {
        const text = await textOf(request)
        const id = String(request.headers["webhook-id"])
        const path = request.url ?? ""
        const answer = receiver.answer(hits.filter((hit) => hit.id === id).length + 1, path)
        const answered = typeof answer === "object" ? answer.status : answer
        hits.push({ id, path, at: Date.now(), body: JSON.parse(text), text, headers: request.headers, answered })
        if (answer === "cut") return void request.socket.destroy()
        if (answer === "hang") return
        response.writeHead(Number(answered), typeof answer === "object" ? answer.headers : {})
        // Longer than what a client should ever read of it, and never ending.
        if (answered === 299) return void response.write("x".repeat(100_000))
        response.end("a body that holds-a-hint and goes nowhere")
      }
      const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()))
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      receiver.close = () => {
        server.closeAllConnections()
        server.close()
      }
      return receiver
    }),
    ({ close }) => Effect.sync(close)
  )

/** The deliveries that arrived, each once, in the order in which they did. */
export const arrived = (hits: ReadonlyArray<Hit>) => {
  const seen = new Map(
    hits
      .filter(({ answered }) => typeof answered === "number" && answered >= 200 && answered < 300)
      .toReversed()
      .map((hit) => [hit.id, hit] as const)
  )
  return [...seen.values()].toReversed()
}

/** Whether a receiver with this secret takes it for genuine. */
export const isGenuine = (secret: string, { headers, text }: Hit) =>
  Result.isSuccess(WebhookSignature.verify(secret, { headers, body: text }))
