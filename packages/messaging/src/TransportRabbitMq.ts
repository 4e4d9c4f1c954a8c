/**
 * Queues on RabbitMQ (3.10 and later): quorum queues, publisher confirms, manual acknowledgement. Each queue declares a
 * classic durable `<queue>!dead` beside it, which no delivery limit empties; the broker's own dead-lettering (at least
 * once) leads there too. It reconnects by itself.
 */
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Message } from "amqplib"
import * as Amqp from "amqplib"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { Writable } from "node:stream"
import * as Answer from "./Answer.ts"
import * as DeadLetters from "./DeadLetters.ts"
import * as InFlight from "./InFlight.ts"
import type { TransportError } from "./Transport.ts"
import * as Dead from "./TransportRabbitMqDead.ts"
import { type DeadLetter, type Outgoing, type Selection, selects, Transport } from "./Transport.ts"

/** Where RabbitMQ is. */
export interface Options {
  /** `amqp://user:password@host:port/vhost` */
  readonly url: string
  /** What the names of queues on the broker begin with. Default: nothing. */
  readonly prefix?: string
}

/** The broker itself sets a message aside far above any subscriber's limit: for when no subscriber lives to count. */
const brokersDeliveryLimit = 100

const attempt = <A>(operation: string, run: () => Promise<A>, millis = 10_000) =>
  Answer.of({ broker: "RabbitMQ", operation, millis }, run)
/** Says something to a broker in parting, which will know anyway once the connection is gone. */
const inParting = (operation: string, run: () => Promise<unknown>) => Effect.ignore(attempt(operation, run, 2_000))
/** For a few seconds, long enough for a connection to come back. */
const briefly = Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))

const namedIn = (prefix: string) => (queue: string) => `${prefix}${queue}`

/** No queue's name ends so: there is no exclamation mark in any. */
const dead = "!dead"
const deadOf = (queue: string) => `${queue}${dead}`

/** Asks on a channel of its own, which the broker closes where it says no: others would lose what they have in hand. */
const apart = async (model: ChannelModel, ask: (channel: Channel) => Promise<unknown>): Promise<void> => {
  const channel = await model.createChannel()
  channel.on("error", () => {})
  await ask(channel)
  await channel.close()
}

const declare = async (channel: Channel, queue: string) => {
  await channel.assertQueue(deadOf(queue), { durable: true })
  await channel.assertQueue(queue, {
    durable: true,
    arguments: {
      "x-queue-type": "quorum",
      "x-delivery-limit": brokersDeliveryLimit,
      "x-overflow": "reject-publish",
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": deadOf(queue),
      "x-dead-letter-strategy": "at-least-once"
    }
  })
}

/** The socket of a connection, which amqplib does not tell its types of. */
const socketOf = ({ connection }: ChannelModel): Writable | undefined =>
  Predicate.hasProperty(connection, "stream") && connection.stream instanceof Writable ? connection.stream : undefined

/**
 * Has what is sent in one turn of the event loop leave in one write: amqplib writes each frame by itself, and to write
 * costs more than all else about a small message.
 */
const together = (socket: Writable | undefined): (() => void) => {
  let isGathering = false
  const leave = () => {
    isGathering = false
    socket?.uncork()
  }
  return () => {
    if (isGathering) return
    isGathering = true
    socket?.cork()
    // The frames come to the socket in the next turn.
    setImmediate(() => setImmediate(leave))
  }
}

/** One connection with the channel that publishes on it. Gone for good once it closes. */
class Link {
  readonly model: ChannelModel
  /** To be called before something is sent that need not leave by itself. */
  readonly gather: () => void
  private readonly channel: ConfirmChannel
  private readonly declared = new Set<string>()
  private readonly returned = new Set<string>()
  private sent = 0
  private blocked = false
  closed = false

  constructor(model: ChannelModel, channel: ConfirmChannel) {
    this.model = model
    this.channel = channel
    this.gather = together(socketOf(model))
    const gone = () => {
      if (this.closed) return
      this.closed = true
      void model.close().catch(() => {})
    }
    for (const emitter of [model, channel]) {
      emitter.on("error", gone)
      emitter.on("close", gone)
    }
    // Out of memory or disk, it reads nothing of whoever publishes: what is written now would come twice later.
    model.on("blocked", () => (this.blocked = true))
    model.on("unblocked", () => (this.blocked = false))
    // The broker sends an unroutable message back and confirms it nevertheless.
    channel.on("return", (message: Message) => this.returned.add(String(message.properties.correlationId)))
  }

  static async open(url: string): Promise<Link> {
    // Small frames that wait for each other's acknowledgement (Nagle's algorithm) cost 40 ms a hop.
    const model = await Amqp.connect(url, { timeout: 5_000, noDelay: true })
    model.on("error", () => {})
    return new Link(model, await model.createConfirmChannel())
  }

  // Not named after what AMQP calls it: `declare` is a modifier in TypeScript, and erasing types trips over it.
  private async ensure(queue: string): Promise<void> {
    await apart(this.model, (channel) => declare(channel, queue.endsWith(dead) ? queue.slice(0, -dead.length) : queue))
    this.declared.add(queue)
  }

  /** Succeeds once the broker has confirmed the message. */
  publish(queue: string, message: Outgoing, headers: Record<string, unknown>): Effect.Effect<void, TransportError> {
    const options = { broker: "RabbitMQ", operation: "publish", millis: 10_000 }
    return Answer.asked(options, (answered) => {
      if (this.blocked) return answered.fail("RabbitMQ takes no messages at the moment: it has no memory or disk left")
      if (this.declared.has(queue)) return this.send(queue, message, headers, answered)
      this.ensure(queue)
        .then(() => this.send(queue, message, headers, answered))
        .catch(answered.fail)
    })
  }

  private send(
    queue: string,
    { id, body }: Outgoing,
    headers: Record<string, unknown>,
    answered: Answer.Answered<void>
  ): void {
    this.gather()
    const ticket = String(++this.sent)
    const options = { persistent: true, mandatory: true, messageId: id, correlationId: ticket, headers }
    this.channel.sendToQueue(queue, Answer.bytes(body), options, (error: unknown) => {
      if (error !== null && error !== undefined) return answered.fail(error)
      if (!this.returned.delete(ticket)) return answered.succeed()
      this.declared.delete(queue)
      answered.fail(new Error(`the queue ${queue} is gone`))
    })
  }
}

/** The header of a message that comes again: how often it had been handed over before. */
const attempts = "tenon-attempts"
const attemptOf = ({ properties: { headers = {} } }: Message): number =>
  1 + Number(headers[attempts] ?? 0) + Number(headers["x-delivery-count"] ?? 0)

const text = (value: unknown) => (typeof value === "string" ? value : "")

/** When the broker itself set a message aside: its header `x-death` knows, in seconds. */
const diedAt = (headers: { readonly [name: string]: unknown }): number => {
  const deaths: unknown = headers["x-death"]
  const first: unknown = Array.isArray(deaths) ? deaths[0] : undefined
  const time = Predicate.hasProperty(first, "time") ? first.time : undefined
  return Predicate.hasProperty(time, "value") ? Number(time.value) * 1_000 : 0
}

const letterOf = Effect.fnUntraced(function* (queue: string, { content, properties }: Message) {
  const headers = properties.headers ?? {}
  const reason = text(headers["tenon-reason"]) || "delivery-limit"
  const detail = text(headers["tenon-detail"]) || "set aside by the broker"
  const letter: DeadLetter = {
    letter: text(headers["tenon-letter"]) || text(properties.messageId),
    id: text(properties.messageId),
    queue,
    body: content,
    reason,
    detail,
    fingerprint: text(headers["tenon-fingerprint"]) || (yield* DeadLetters.fingerprint(queue, reason, detail)),
    at: Number(headers["tenon-at"] ?? diedAt(headers))
  }
  return letter
})

/** Connects, and disconnects when the scope closes. */
export const layer = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const named = namedIn(options.prefix ?? "")
      let current: Promise<Link> | undefined
      let open: Link | undefined
      const connect = attempt("connect to RabbitMQ", async () => {
        const before = current
        const link = await before?.catch(() => undefined)
        if (link !== undefined && !link.closed) return link
        // All that waited for a lost connection come here: the first connects, the others wait for it.
        if (current === before) current = Link.open(options.url)
        return (open = await (current as Promise<Link>))
      })
      yield* Effect.acquireRelease(connect, () =>
        Effect.gen(function* () {
          const link = yield* Effect.promise(async () => current?.catch(() => undefined))
          if (link !== undefined && !link.closed) yield* inParting("disconnect", () => link.model.close())
        })
      )
      const resend = (queue: string, message: Outgoing, headers: Record<string, unknown>) =>
        connect.pipe(
          Effect.flatMap((link) => link.publish(queue, message, headers)),
          Effect.delay("250 millis"),
          Effect.retry(briefly)
        )
      const send = (queue: string, message: Outgoing, headers: Record<string, unknown> = {}) =>
        Effect.suspend(() => (open === undefined || open.closed ? connect : Effect.succeed(open))).pipe(
          Effect.flatMap((link) => link.publish(queue, message, headers)),
          Effect.catch(() => resend(queue, message, headers))
        )

      const setAside = Effect.fnUntraced(function* (queue: string, message: Message, reason: string, detail: string) {
        // All headers of a message have to fit into one frame.
        const brief = detail.slice(0, 2_000)
        const headers = {
          "tenon-letter": globalThis.crypto.randomUUID(),
          "tenon-reason": reason,
          "tenon-detail": brief,
          "tenon-fingerprint": yield* DeadLetters.fingerprint(queue, reason, brief),
          "tenon-at": yield* Clock.currentTimeMillis
        }
        const id = text(message.properties.messageId)
        yield* send(deadOf(named(queue)), { queue, id, body: message.content }, headers)
      })

      const subscribe: Transport["Service"]["subscribe"] = Effect.fnUntraced(function* (queue, handler, given) {
        const settings = InFlight.settings(given)
        const inFlight = yield* InFlight.make(handler, settings)
        let listening: { readonly channel: Channel; readonly tag: string } | undefined
        const closedChannels = new WeakSet<Channel>()
        let stopping = false

        /**
         * What stands in the place of a message that comes again, behind all that waits: the broker counts whatever it
         * takes back itself, and hands that over before all others.
         */
        const anew = (message: ConsumeMessage, before: number) => {
          const outgoing = { queue, id: text(message.properties.messageId), body: message.content }
          return send(named(queue), outgoing, { [attempts]: before })
        }
        const insteadOf = (message: ConsumeMessage, delivered: number, ending: InFlight.Ending) => {
          if (ending._tag === "GiveBack") return anew(message, delivered - 1)
          if (ending._tag === "Requeue") return anew(message, delivered)
          return ending._tag === "DeadLetter" ? setAside(queue, message, ending.reason, ending.detail) : Effect.void
        }

        const acknowledge = (channel: Channel, message: ConsumeMessage) => {
          open?.gather()
          channel.ack(message)
        }
        /** A channel that has closed in the meantime cannot settle; the broker gives the message to someone again. */
        const settle = (channel: Channel, message: ConsumeMessage, delivered: number) => (ending: InFlight.Ending) => {
          if (ending._tag === "Ack") return Effect.sync(() => tryTo(() => acknowledge(channel, message)))
          // Asked only once the delay has passed, in which it may close.
          const hasClosed = Effect.sync(() => ending._tag !== "DeadLetter" && closedChannels.has(channel))
          const settling = insteadOf(message, delivered, ending).pipe(
            Effect.andThen(
              Effect.try({
                try: () => acknowledge(channel, message),
                catch: (cause) => Answer.failure("settle", cause)
              })
            ),
            Effect.catch((error) =>
              Effect.andThen(
                Effect.logWarning("A message was not settled and comes again", error.message),
                Effect.sync(() =>
                  tryTo(() => comesAgain(channel, message, ending._tag === "GiveBack" ? delivered : delivered + 1))
                )
              )
            )
          )
          return Effect.flatMap(hasClosed, (isClosed) => (isClosed ? Effect.void : settling))
        }

        const handle = (channel: Channel, message: ConsumeMessage, delivered: number) =>
          inFlight.start(
            { queue, id: text(message.properties.messageId), body: message.content, attempt: delivered },
            settle(channel, message, delivered)
          )
        /**
         * What a broker that takes no messages leaves in hand. Given back, it would be counted and handed over at once,
         * again and again; and to wait with it until there is room for it in a queue that is full would be to wait for
         * ever.
         */
        const comesAgain = (channel: Channel, message: ConsumeMessage, delivered: number): void => {
          if (stopping) channel.nack(message, false, true)
          else if (!closedChannels.has(channel)) handle(channel, message, delivered)
        }

        const listen = Effect.gen(function* () {
          const link = yield* connect
          const ended = yield* attempt("subscribe", async () => {
            const channel = await link.model.createChannel()
            const closed = new Promise<void>((resolve) => {
              const close = () => {
                closedChannels.add(channel)
                resolve()
              }
              channel.on("error", close)
              channel.on("close", close)
            })
            await declare(channel, named(queue))
            await channel.prefetch(settings.prefetch)
            const { consumerTag } = await channel.consume(named(queue), (message) => {
              // The broker cancels a consumer whose queue is deleted or moves; listening anew declares it again.
              if (message === null) return tryTo(() => void channel.close().catch(() => {}))
              handle(channel, message, attemptOf(message))
            })
            listening = { channel, tag: consumerTag }
            // Wrapped, since an async function would wait for a promise it returns.
            return { closed, channel }
          })
          return Effect.promise(async () => {
            await ended.closed
            // What it had handed over is the broker's again.
            if (listening?.channel === ended.channel) listening = undefined
          })
        })

        const first = yield* listen
        yield* Effect.addFinalizer(() =>
          Effect.gen(function* () {
            stopping = true
            const { channel, tag } = listening ?? {}
            // Cancelled before draining: what the broker takes back from a dropped consumer counts as an attempt.
            if (channel !== undefined) yield* inParting("cancel", async () => await channel.cancel(tag ?? ""))
            yield* inFlight.drain
            if (channel !== undefined) yield* inParting("close", async () => await channel.close())
          })
        )
        yield* first.pipe(
          Effect.andThen(
            listen.pipe(
              Effect.retry(Schedule.spaced("500 millis")),
              Effect.flatMap((ended) => ended),
              Effect.forever
            )
          ),
          Effect.forkScoped
        )
      })

      const takeDead = Dead.make(Effect.map(connect, ({ model }) => model))
      const eachDead = (
        queue: string,
        act: (letter: DeadLetter) => Effect.Effect<boolean, TransportError>,
        { limit = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY } = {}
      ) =>
        takeDead({
          queue: deadOf(named(queue)),
          limit,
          most,
          act: (message) => Effect.flatMap(letterOf(queue, message), act)
        })

      return Transport.of({
        publish: (message) => send(named(message.queue), message),
        subscribe,
        exists: (queue) => Effect.flatMap(connect, (link) => Dead.isThere(link.model, named(queue))),
        deadLetters: Effect.fnUntraced(function* (queue, limit = 100) {
          const letters: Array<DeadLetter> = []
          const note = (letter: DeadLetter) => Effect.sync(() => letters.push(letter))
          yield* eachDead(queue, (letter) => Effect.as(note(letter), false), { limit })
          return letters
        }),
        redrive: (queue, selection) =>
          eachDead(
            queue,
            (letter) =>
              selects(selection, letter) ? Effect.as(send(named(queue), letter), true) : Effect.succeed(false),
            mostOf(selection)
          ),
        discard: (queue, selection) =>
          eachDead(queue, (letter) => Effect.succeed(selects(selection, letter)), mostOf(selection))
      })
    })
  )

/** How many letters can be meant, where that is known. */
const mostOf = (selection: Selection) => (selection !== "all" && "letter" in selection ? { most: 1 } : {})

const tryTo = (run: () => void): void => {
  try {
    run()
  } catch {
    // The channel is closed: there is nothing left to do on it.
  }
}

/** Reads `RABBITMQ_URL`. */
export const layerConfig: Layer.Layer<Transport, TransportError | Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    return layer({ url: yield* Config.String("RABBITMQ_URL") })
  })
)
