/**
 * The requests of one connection, one at a time and in order. A caller may send further ones before it has an answer
 * (RFC 9112, 9.3.2), and Node hands over each as it comes: what a later one finds would be a matter of chance, and a
 * connection from which nothing is read could hold as many answers as requests fit into a packet.
 */
import * as Effect from "effect/Effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** Requests of a connection that may wait before no more are read from it, but for those that have arrived. */
const mostWaiting = 32

type Turn = (told: Effect.Effect<void>) => void

/** What a connection has under way. */
interface Line {
  /** Requests that are not answered yet. */
  open: number
  /** Those of them that wait, each until the one before it is answered. */
  readonly waiting: Array<{ turn: Turn | undefined; told: Effect.Effect<void> | undefined }>
  last: { readonly request: IncomingMessage; readonly response: ServerResponse }
  /** Done once no request is under way that has arrived in full. */
  afterwards: (() => void) | undefined
}

const lines = new WeakMap<Socket, Line>()
const turns = new WeakMap<object, Effect.Effect<void>>()

/** Takes in a request as it comes. */
export const enter = (request: IncomingMessage, response: ServerResponse): void => {
  const { socket } = request
  const line = lines.get(socket) ?? begin(socket, { request, response })
  line.last = { request, response }
  response.once("close", () => leave(socket, line))
  if (++line.open === 1) return
  const place: Line["waiting"][number] = { turn: undefined, told: undefined }
  line.waiting.push(place)
  turns.set(
    request,
    Effect.callback((resume) => {
      if (place.told === undefined) place.turn = resume
      else resume(place.told)
    })
  )
  if (line.waiting.length > mostWaiting) socket.pause()
}

/** Waits until the requests before this one are answered; `undefined` where there are none, as nearly always. */
export const turnOf = (request: object): Effect.Effect<void> | undefined => turns.get(request)

/**
 * Does something once the requests of a connection that arrived in full are answered; reads nothing more from it. Given
 * is the response to one that did not, where there is one.
 */
export const afterwards = (socket: Socket, then: (unfinished: ServerResponse | undefined) => void): void => {
  const line = lines.get(socket)
  if (line === undefined) return then(undefined)
  socket.pause()
  const { request, response } = line.last
  line.afterwards ??= () => then(request.complete ? undefined : response)
  settle(line)
}

const begin = (socket: Socket, last: Line["last"]): Line => {
  const line: Line = { open: 0, waiting: [], last, afterwards: undefined }
  lines.set(socket, line)
  // Nobody hears what the others would be answered.
  socket.once("close", () => {
    for (const place of line.waiting.splice(0)) tell(place, Effect.interrupt)
  })
  return line
}

const leave = (socket: Socket, line: Line): void => {
  line.open--
  const next = line.waiting.shift()
  if (next !== undefined) tell(next, Effect.void)
  if (line.afterwards !== undefined) settle(line)
  else if (line.waiting.length === mostWaiting) socket.resume()
}

const tell = (place: Line["waiting"][number], told: Effect.Effect<void>): void => {
  place.told = told
  place.turn?.(told)
}

const settle = (line: Line): void => {
  if (line.open > (line.last.request.complete ? 0 : 1)) return
  line.afterwards?.()
}
