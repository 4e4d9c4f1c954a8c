/** The Node server to mount the door on: what a caller may cost before any handler sees the request. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Pipeline from "./Pipeline.ts"
import { contentType, title, typeOf } from "./Problem.ts"

/** Limits on requests as they arrive. */
export interface Options {
  /** Bytes of a request's line and headers, at most. Default 16 KiB. */
  readonly maxHeaderBytes?: number
  /** Milliseconds for all headers to arrive. Default 10 seconds. */
  readonly headersTimeoutMillis?: number
  /** Milliseconds for a whole request to arrive. Default 60 seconds. */
  readonly requestTimeoutMillis?: number
  /** Milliseconds that an idle connection is kept. Default 60 seconds: longer than the usual load balancer's. */
  readonly keepAliveMillis?: number
  /** Milliseconds for which a caller may take nothing of what waits to be sent to it. Default 60 seconds. */
  readonly writeTimeoutMillis?: number
}

/** A server that does not listen yet, for `NodeHttpServer.layer`. */
export const make = (options: Options = {}): Server => {
  const requestTimeout = options.requestTimeoutMillis ?? 60_000
  const server = createServer({
    maxHeaderSize: options.maxHeaderBytes ?? 16_384,
    headersTimeout: Math.min(options.headersTimeoutMillis ?? 10_000, requestTimeout),
    requestTimeout,
    keepAliveTimeout: options.keepAliveMillis ?? 60_000,
    // An upgrade that is offered may be left (RFC 9110, 7.8), as clients offer HTTP/2 with any request: one that is
    // taken up has no body any more. WebSockets are for routes of the host.
    shouldUpgradeCallback: ({ headers, method }) => method === "GET" && /^websocket$/i.test(headers.upgrade ?? ""),
    connectionsCheckingInterval: 1_000,
    // Of several credentials none is taken, where Node would take the first.
    joinDuplicateHeaders: true,
    // The door refuses a request without a host itself, with a problem.
    requireHostHeader: false
  })
  const patience = options.writeTimeoutMillis ?? 60_000
  const enter = (request: IncomingMessage, response: ServerResponse) => {
    response.setTimeout(patience, () => endStuck(request.socket))
    Pipeline.enter(request, response)
  }
  server.on("request", enter).on("checkContinue", enter)
  server.on("clientError", answerUnreadable)
  server.on("checkExpectation", refuseExpectation)
  return server
}

/**
 * Node counts the time since bytes last came or went. While none wait to be sent it is the server that takes its time.
 */
const endStuck = (socket: Socket): void => {
  if (socket.writableLength > 0) socket.destroy()
}

/** RFC 9110, 10.1.1: `100-continue` is all that may be expected. */
const refuseExpectation = (_: IncomingMessage, response: ServerResponse): void => {
  const body = problem(417, "ExpectationFailed", "`Expect` may only be `100-continue`.")
  response.writeHead(417, {
    connection: "close",
    "content-type": contentType,
    "content-length": Buffer.byteLength(body)
  })
  response.end(body)
}

/**
 * How long a caller has to take the last answer, before it is cut off: one that stays would keep its connection for
 * ever.
 */
const graceMillis = 1_000

const problem = (status: number, tag: string, detail: string) =>
  JSON.stringify({ type: typeOf(tag), title: title(tag), status, detail, tag })

/** A request that cannot even be parsed gets a problem too, where anyone still listens. */
const answerUnreadable = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, phrase, tag, detail] = faultOf(error.code)
  const body = problem(status, tag, detail)
  const text =
    `HTTP/1.1 ${status} ${phrase}\r\nConnection: close\r\nContent-Type: ${contentType}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  // In its turn, or it would be taken for the answer to a request before it.
  Pipeline.afterwards(socket, (unfinished) => {
    // An answer that has begun cannot become another one; one that is over stands.
    if (unfinished?.headersSent === true && !unfinished.writableEnded) return void socket.destroy()
    socket.end(unfinished?.headersSent === true ? "" : text)
    const grace = setTimeout(() => socket.destroy(), graceMillis)
    socket.once("close", () => clearTimeout(grace))
  })
}

const faultOf = (code: string | undefined): readonly [number, string, string, string] => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [
        431,
        "Request Header Fields Too Large",
        "HeadersTooLarge",
        "The headers are larger than this server takes."
      ]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [408, "Request Timeout", "RequestTimeout", "The request did not arrive in time."]
    default:
      return [400, "Bad Request", "MalformedRequest", "The request is not well-formed HTTP."]
  }
}
