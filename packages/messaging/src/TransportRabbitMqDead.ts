/**
 * Takes the dead letters of a queue in turn. What one reader has in hand the broker shows to no other, so readers take
 * turns: in this process by a semaphore, and with other processes by a queue that only one connection can have, and
 * that goes with it. A queue without dead letters is not made by looking for some.
 */
import type { Channel, ChannelModel, Message } from "amqplib"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Answer from "./Answer.ts"
import { TransportError } from "./Transport.ts"

const attempt = <A>(operation: string, run: () => Promise<A>) =>
  Answer.of({ broker: "RabbitMQ", operation, millis: 10_000 }, run)

/** How long another reader is waited for. */
const patience = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

const channelOf = (model: ChannelModel) =>
  Effect.acquireRelease(
    attempt("open a channel", async () => {
      const channel = await model.createChannel()
      // What the broker refuses closes the channel, which is heard of by what was asked for.
      channel.on("error", () => {})
      return channel
    }),
    (channel) => Effect.ignore(attempt("close", async () => await channel.close()))
  )

/** Whether there is a queue. To ask for one that there is not costs the channel. */
export const isThere = (model: ChannelModel, queue: string) =>
  Effect.scoped(
    Effect.flatMap(channelOf(model), (channel) =>
      attempt("look for a queue", () =>
        channel.checkQueue(queue).then(
          () => true,
          (error: { readonly code?: unknown }) => (error.code === 404 ? false : Promise.reject(error))
        )
      )
    )
  )

/** Keeps other connections out until the scope closes. */
const alone = (model: ChannelModel, queue: string) => {
  const name = `${queue}!reader`
  const locking = Effect.scoped(
    Effect.flatMap(channelOf(model), (channel) =>
      attempt("lock", async () => await channel.assertQueue(name, { exclusive: true, durable: false }))
    )
  )
  const unlocking = Effect.scoped(
    Effect.flatMap(channelOf(model), (channel) => attempt("unlock", async () => await channel.deleteQueue(name)))
  )
  return Effect.acquireRelease(Effect.retry(locking, patience), () => Effect.ignore(unlocking)).pipe(
    Effect.mapError(
      ({ reason }) =>
        new TransportError({
          operation: "read dead letters",
          reason: `another process may be reading them; try again (${reason})`
        })
    )
  )
}

/** How letters are taken. */
export interface Taking {
  /** What their queue is called at the broker. */
  readonly queue: string
  /** How many are looked at, at most. */
  readonly limit: number
  /** How many are taken, at most. */
  readonly most: number
  /** Does something with a letter; what it does not take goes back to its place. */
  readonly act: (message: Message) => Effect.Effect<boolean, TransportError>
}

const takeFrom = Effect.fnUntraced(function* (channel: Channel, { act, limit, most, queue }: Taking) {
  // What is driven back may be set aside again meanwhile, behind all that is there now.
  const { messageCount } = yield* attempt("count", () => channel.checkQueue(queue))
  let taken = 0
  for (let seen = 0; seen < Math.min(limit, messageCount) && taken < most; seen++) {
    const message = yield* attempt("get", () => channel.get(queue))
    if (message === false) break
    if (!(yield* act(message))) continue
    channel.ack(message)
    taken++
  }
  return taken
})

/** Readers over one connection, which may be another from time to time. */
export const make = (connect: Effect.Effect<ChannelModel, TransportError>) => {
  const turn = Semaphore.makeUnsafe(1)
  /** Says how many were taken. */
  return (taking: Taking): Effect.Effect<number, TransportError> =>
    Effect.gen(function* () {
      const model = yield* connect
      if (!(yield* isThere(model, taking.queue))) return 0
      yield* alone(model, taking.queue)
      return yield* takeFrom(yield* channelOf(model), taking)
    }).pipe(Effect.scoped, turn.withPermit)
}
