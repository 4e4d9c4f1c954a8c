/** A server that speaks chat completions, well or badly, as the last words it is given say. */
import * as Effect from "effect/Effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

/** What was asked. */
export interface Asked {
  readonly authorization: string | undefined
  readonly key: string | string[] | undefined
  readonly path: string
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

const usage = { prompt_tokens: 11, completion_tokens: 7 }

const bodyOf = async (request: IncomingMessage) => {
  let text = ""
  for await (const chunk of request) text += chunk
  return JSON.parse(text)
}

const piece = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ model: "chatty-1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

const words = (response: ServerResponse, texts: ReadonlyArray<string>) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const content of texts) response.write(piece({ content }))
}

const ending = (reason: string) =>
  `${piece({}, reason)}data: ${JSON.stringify({ model: "chatty-1", choices: [], usage })}\n\ndata: [DONE]\n\n`

const call = (name: string, args: string) => ({
  index: 0,
  id: "c1",
  type: "function",
  function: { name, arguments: args }
})

const whole = (response: ServerResponse, message: object, reason = "stop") => {
  response.writeHead(200, { "content-type": "application/json" })
  response.end(JSON.stringify({ model: "chatty-1", choices: [{ index: 0, message, finish_reason: reason }], usage }))
}

/** Starts the server; `asked` holds every request. */
export const start = Effect.gen(function* () {
  const asked: Array<Asked> = []
  const answer = (text: string, body: Asked["body"], response: ServerResponse) => {
    const times = asked.filter((each) => JSON.stringify(each.body.messages) === JSON.stringify(body.messages)).length
    const refuse = (status: number, headers = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers })
      response.end(JSON.stringify({ error: { message: `the key was ${asked.at(-1)?.authorization}` } }))
    }
    const last = body.messages.at(-1)
    switch (text) {
      case "busy":
        return times === 1
          ? refuse(429, { "retry-after": "0.2" })
          : (words(response, ["free ", "again"]), response.end(ending("stop")))
      case "very busy":
        return refuse(429, { "retry-after": "3600" })
      case "broken":
        return refuse(500)
      case "wrong key":
        return refuse(401)
      case "malformed":
        response.writeHead(200, { "content-type": body.stream ? "text/event-stream" : "application/json" })
        return response.end(body.stream ? 'data: {"choices": [\n\n' : '{"choices": [')
      case "not even http":
        return response.socket?.end("nonsense\r\n\r\n")
      case "cut":
        words(response, ["half "])
        return setTimeout(() => response.socket?.destroy(), 50)
      case "quiet end":
        words(response, ["half "])
        return response.end()
      case "hang":
        return words(response, ["hm "])
      case "refuse":
        return (words(response, []), response.end(piece({ refusal: "I would rather not." }) + ending("stop")))
      case "tool":
        if (last.role === "tool") return (words(response, [`It said ${last.content}.`]), response.end(ending("stop")))
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(piece({ tool_calls: [call("rollOf", "")] }))
        response.write(piece({ tool_calls: [{ index: 0, function: { arguments: '{"sid' } }] }))
        response.write(piece({ tool_calls: [{ index: 0, function: { arguments: 'es":6}' } }] }))
        return response.end(ending("tool_calls"))
      case "bad arguments":
        if (last.role === "tool") return (words(response, [last.content]), response.end(ending("stop")))
        return (
          words(response, []), response.end(piece({ tool_calls: [call("rollOf", '{"sides":')] }) + ending("tool_calls"))
        )
      case "object":
        return whole(response, { content: '{"name":"Ada","age":36}' })
      case "whole tool":
        return whole(response, { content: null, tool_calls: [call("rollOf", '{"sides":6}')] }, "tool_calls")
      default:
        return body.stream
          ? (words(response, ["Hel", "lo."]), response.end(ending("stop")))
          : whole(response, { content: "Hello." })
    }
  }
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      asked.push({
        authorization: request.headers.authorization,
        key: request.headers["idempotency-key"],
        path: request.url ?? "",
        body
      })
      // oxlint-disable-next-line typescript/no-explicit-any
      const user = body.messages.findLast((each: any) => each.role === "user")
      answer(String(user?.content), body, response)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => (server.closeAllConnections(), server.close()))
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}/v1`, asked }
})
