/** Reads a request's body as JSON, once, up to a limit. */
import { InvalidInput } from "@tenon/core/Failure"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import type { Exchange } from "./Exchange.ts"
import { BodyTooLarge, MalformedBody, UnknownTransferCoding, UnsupportedMediaType } from "./HttpFailure.ts"
import * as JsonText from "./JsonText.ts"

type Failure = BodyTooLarge | MalformedBody | UnsupportedMediaType | UnknownTransferCoding | InvalidInput

const utf8 = new TextDecoder("utf-8", { fatal: true })
const jsonType = /^application\/(?:json|[a-z0-9!#$&^_.+-]+\+json)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** The input that a body holds: an object. A request without a body holds an empty one. */
export const read = (exchange: Exchange, limit: number): Effect.Effect<Schema.Json, Failure> => {
  const { headers } = exchange
  const length = headers["content-length"]
  const coding = headers["transfer-encoding"]
  if (length === undefined ? coding === undefined : length === "0") return noInput
  // RFC 9112, 6.1. What is coded otherwise would be read as it is.
  if (coding !== undefined && coding.toLowerCase() !== "chunked") return Effect.fail(new UnknownTransferCoding())
  // Refused unread; the server closes the connection when the caller goes on sending.
  if (length !== undefined && Number(length) > limit) return Effect.fail(new BodyTooLarge({ limit }))
  const type = headers["content-type"]
  if (type === undefined || (type !== "application/json" && !jsonType.test(type)))
    return Effect.fail(new UnsupportedMediaType({ expected: "application/json" }))
  const encoding = headers["content-encoding"]
  if (encoding !== undefined && encoding !== "identity")
    return Effect.fail(new UnsupportedMediaType({ expected: "application/json without a content encoding" }))
  exchange.arriving = true
  return Effect.flatMap(bytesOf(exchange, limit), (bytes) => {
    exchange.arriving = false
    return toInput(bytes)
  })
}

/** The bytes of a body. Node's own stream is read as it is; Effect's reader waits for its end twice over. */
const bytesOf = (exchange: Exchange, limit: number): Effect.Effect<Uint8Array, Failure> => {
  const { source } = exchange.request
  // A caller that waits for `100 Continue` is answered by the server's reader only.
  return source instanceof Readable && exchange.headers["expect"] === undefined
    ? fromNode(source, limit)
    : fromServer(exchange, limit)
}

/**
 * By the server's stream: its `arrayBuffer` would close the connection where it is given up, so that nothing is heard.
 */
const fromServer = ({ request }: Exchange, limit: number): Effect.Effect<Uint8Array, Failure> =>
  Effect.suspend(() => {
    const gathered = new Gathered(limit)
    const add = (chunk: Uint8Array) => (gathered.add(chunk) ? Effect.void : Effect.fail(new BodyTooLarge({ limit })))
    return Effect.map(
      Stream.runForEach(
        Stream.mapError(request.stream, () => brokeOff),
        add
      ),
      () => gathered.bytes
    )
  })

/** A body as it comes, copied together: a caller may send its bytes one by one, each of them an object of Node's. */
class Gathered {
  readonly #limit: number
  #room: Uint8Array = new Uint8Array()
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False where it comes to more than the limit. */
  add(chunk: Uint8Array): boolean {
    const size = this.#size + chunk.length
    if (size > this.#limit) return false
    if (this.#size === 0) this.#room = chunk
    else {
      if (size > this.#room.length) {
        const room = Buffer.allocUnsafe(Math.min(this.#limit, 2 * size))
        room.set(this.bytes)
        this.#room = room
      }
      this.#room.set(chunk, this.#size)
    }
    this.#size = size
    return true
  }

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#size)
  }
}

const fromNode = (source: Readable, limit: number): Effect.Effect<Uint8Array, Failure> =>
  Effect.callback((resume) => {
    const gathered = new Gathered(limit)
    const onData = (chunk: Uint8Array) => {
      if (!gathered.add(chunk)) finish(Effect.fail(new BodyTooLarge({ limit })))
    }
    const onEnd = () => finish(Effect.succeed(gathered.bytes))
    const onBroken = () => finish(Effect.fail(brokeOff))
    const leave = () => {
      source.off("data", onData).off("end", onEnd).off("close", onBroken)
    }
    const finish = (exit: Effect.Effect<Uint8Array, Failure>) => {
      leave()
      resume(exit)
    }
    if (source.destroyed) return onBroken()
    source.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken)
    return Effect.sync(leave)
  })

const noInput = Effect.succeed<Schema.Json>({})

const brokeOff = new MalformedBody({ reason: "it broke off" })

const toInput = (bytes: Uint8Array): Effect.Effect<Schema.Json, Failure> => {
  if (bytes.byteLength === 0) return noInput
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return Effect.fail(new MalformedBody({ reason: "it is not UTF-8" }))
  }
  const parsed = JsonText.parse(text)
  if (parsed._tag === "Failure") return Effect.fail(parsed.failure)
  const value = parsed.success
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Effect.succeed(value)
    : Effect.fail(new InvalidInput({ issues: [{ path: "", message: "Expected an object" }] }))
}
