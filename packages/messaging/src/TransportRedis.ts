/**
 * Queues on Redis Streams (Redis 7.0 and later): one stream and one consumer group per queue, dead letters in a stream
 * beside it. A stream is never trimmed by length, since that would drop messages that nobody has taken; a message is
 * deleted when it is settled. What a killed worker had in hand is claimed by another once it was idle for `visibility`.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { createClient, RESP_TYPES } from "redis"
import * as Answer from "./Answer.ts"
import * as DeadLetters from "./DeadLetters.ts"
import * as InFlight from "./InFlight.ts"
import { type DeadLetter, type Selection, selects, Transport, type TransportError } from "./Transport.ts"

/** Where Redis is and how it is used. */
export interface Options {
  /** `redis://user:password@host:port/database` */
  readonly url: string
  /** What all keys begin with. Default `tenon:`. */
  readonly prefix?: string
  /** A message whose worker gives no sign of life for this long goes to another. Default 30 seconds. */
  readonly visibility?: Duration.Input
}

const group = "workers"
const broker = "Redis"
/** How long an answer is waited for; longer than `block`. */
const answerMillis = 5_000
/** How long one read waits for a message, in milliseconds. */
const block = 2_000

/** Settles by putting the message at the end, as it was but for its attempts; once only, however often it is run. */
const putBack = `
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 or not entry then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[1], '*', 'id', entry[2][2], 'body', entry[2][4], 'attempt', ARGV[3])
return 1`

const setAside = `
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 or not entry then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], '*', 'id', entry[2][2], 'body', entry[2][4],
  'reason', ARGV[3], 'detail', ARGV[4], 'fingerprint', ARGV[5])
return 1`

/** Settles any number of messages. */
const finish = `redis.call('XACK', KEYS[1], unpack(ARGV)); return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))`

const driveBack = `
local entry = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
redis.call('XADD', KEYS[1], '*', 'id', entry[2][2], 'body', entry[2][4], 'attempt', '0')
return redis.call('XDEL', KEYS[2], ARGV[1])`

/** The name of an entry as Redis makes them. */
const letterId = /^\d{1,20}-\d{1,20}$/
/** Dead letters that are read at once: each is a whole message. */
const page = 100

type Entry = readonly [id: Buffer, fields: ReadonlyArray<Buffer>]

const open = (url: string) => {
  const client = createClient({
    url,
    RESP: 2,
    commandOptions: { timeout: 0 },
    socket: { reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, 2_000) }
  })
  // Without a listener a lost connection would end the process; the client reconnects by itself.
  client.on("error", () => {})
  return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
}

type Client = ReturnType<typeof open>

const acquire = (url: string) =>
  Effect.acquireRelease(
    Answer.of({ broker, operation: "connect to Redis", millis: answerMillis }, async () => {
      const client = open(url)
      await client.connect()
      return client
    }),
    (client) => Effect.sync(() => client.destroy())
  )

/**
 * What is not sent in time is not to be sent later. A connected client sends at once, and a timer less is worth having.
 */
const whileDisconnected = { timeout: answerMillis }

const send = <T>(client: Client, command: ReadonlyArray<string | Buffer>): Effect.Effect<T, TransportError> =>
  Answer.of({ broker, operation: String(command[0]), millis: answerMillis }, () =>
    client.sendCommand<T>(command, client.isReady ? undefined : whileDisconnected)
  )

const letterOf =
  (queue: string) =>
  ([letter, fields]: Entry): DeadLetter => {
    const text = (index: number) => fields[index]?.toString() ?? ""
    return {
      letter: letter.toString(),
      queue,
      id: text(1),
      body: fields[3] ?? Buffer.alloc(0),
      reason: text(5),
      detail: text(7),
      fingerprint: text(9),
      at: Number(letter.toString().split("-")[0])
    }
  }

/** How many messages are acknowledged at once, at most: a script takes no more than a few thousand arguments. */
const mostAtOnce = 1_000

/** Has all that is named in one turn of the event loop done at once; each hears of how that ended. */
const inBatches = <A, E>(run: (ids: ReadonlyArray<string>) => Fiber.Fiber<A, E>) => {
  let batch: Array<{ readonly id: string; readonly resume: (exit: Effect.Effect<A, E>) => void }> = []
  const flush = () => {
    const all = batch
    if (all.length === 0) return
    batch = []
    run(all.map(({ id }) => id)).addObserver((exit) => {
      for (const { resume } of all) resume(exit)
    })
  }
  return (id: string) =>
    Effect.callback<A, E>((resume) => {
      const length = batch.push({ id, resume })
      if (length === 1) setImmediate(flush)
      else if (length === mostAtOnce) flush()
    })
}

/** Connects, and disconnects when the scope closes. */
export const layer = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const prefix = options.prefix ?? "tenon:"
      const visibility = Duration.toMillis(Duration.fromInputUnsafe(options.visibility ?? "30 seconds"))
      const client = yield* acquire(options.url)
      // The braces keep both streams of a queue in one slot of a cluster, as the scripts need.
      const keyOf = (queue: string) => `${prefix}{${queue}}`
      const deadOf = (queue: string) => `${prefix}{${queue}}:dead`
      const evaluate = (script: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
        send<number>(client, ["EVAL", script, String(keys.length), ...keys, ...args])
      const createGroup = (queue: string) =>
        send<unknown>(client, ["XGROUP", "CREATE", keyOf(queue), group, "0", "MKSTREAM"]).pipe(
          Effect.catch((error) => (error.reason.startsWith("BUSYGROUP") ? Effect.void : Effect.fail(error)))
        )
      const deadFrom = (queue: string, from: string, to: string, count: number) =>
        send<ReadonlyArray<Entry>>(client, ["XRANGE", deadOf(queue), from, to, "COUNT", String(count)]).pipe(
          Effect.map((entries) => entries.map(letterOf(queue)))
        )
      /** Does something to the letters that are meant, page by page up to the one that is the newest now. */
      const eachDead = Effect.fnUntraced(function* (
        queue: string,
        selection: Selection,
        act: (letter: string) => Effect.Effect<number, TransportError>
      ) {
        if (selection !== "all" && "letter" in selection) {
          return letterId.test(selection.letter) ? yield* act(selection.letter) : 0
        }
        const [newest] = yield* send<ReadonlyArray<Entry>>(client, ["XREVRANGE", deadOf(queue), "+", "-", "COUNT", "1"])
        if (newest === undefined) return 0
        let changed = 0
        for (let from = "-"; ;) {
          const letters = yield* deadFrom(queue, from, newest[0].toString(), page)
          for (const each of letters) if (selects(selection, each)) changed += yield* act(each.letter)
          const last = letters.at(-1)
          if (last === undefined || letters.length < page) return changed
          from = `(${last.letter}`
        }
      })

      const subscribe: Transport["Service"]["subscribe"] = Effect.fnUntraced(function* (queue, handler, given) {
        const settings = InFlight.settings(given)
        const key = keyOf(queue)
        const consumer = globalThis.crypto.randomUUID()
        const reader = yield* acquire(options.url)
        yield* createGroup(queue)
        const inFlight = yield* InFlight.make(handler, settings)
        const inHand = new Set<string>()
        let freed: (() => void) | undefined
        let stopping = false
        const readerId = yield* send<number>(reader, ["CLIENT", "ID"])

        const runFork = Effect.runForkWith(yield* Effect.context())
        const acknowledge = inBatches((ids) => runFork(evaluate(finish, [key], group, ...ids)))

        const settle = (id: string, attempt: number, ending: InFlight.Ending) =>
          ending._tag === "Ack" ? acknowledge(id) : handBack(id, attempt, ending)
        const handBack = Effect.fnUntraced(function* (
          id: string,
          attempt: number,
          ending: Exclude<InFlight.Ending, { readonly _tag: "Ack" }>
        ) {
          if (ending._tag === "Requeue") return yield* evaluate(putBack, [key], group, id, String(attempt))
          if (ending._tag === "GiveBack") return yield* evaluate(putBack, [key], group, id, String(attempt - 1))
          const { reason, detail } = ending
          const fingerprint = yield* DeadLetters.fingerprint(queue, reason, detail)
          return yield* evaluate(setAside, [key, deadOf(queue)], group, id, reason, detail, fingerprint)
        })

        /** `deliveries`: how often Redis has handed out this entry. */
        const start = ([bytes, fields]: Entry, deliveries: number) => {
          const id = bytes.toString()
          const attempt = Number(fields[5]?.toString() ?? 0) + deliveries
          const delivery = { queue, id: fields[1]?.toString() ?? "", body: fields[3] ?? Buffer.alloc(0), attempt }
          if (inHand.has(id)) return
          inHand.add(id)
          inFlight.start(delivery, (ending) =>
            settle(id, attempt, ending).pipe(
              Effect.catch((error) => Effect.logWarning("A message was not settled and comes again", error.message)),
              Effect.ensuring(
                Effect.sync(() => {
                  inHand.delete(id)
                  freed?.()
                })
              )
            )
          )
        }

        const awaitPlace = Effect.callback<number>((resume) => {
          const look = () => {
            if (!stopping && inHand.size < settings.prefetch) resume(Effect.succeed(settings.prefetch - inHand.size))
          }
          freed = look
          look()
        })

        const read = Effect.fnUntraced(function* (count: number) {
          const command = ["XREADGROUP", "GROUP", group, consumer, "COUNT", String(count), "BLOCK", String(block)]
          const answer = yield* send<ReadonlyArray<readonly [unknown, ReadonlyArray<Entry>]> | null>(reader, [
            ...command,
            "STREAMS",
            key,
            ">"
          ])
          for (const entry of answer?.[0]?.[1] ?? []) start(entry, 1)
        })
        // After FLUSHALL or a fail-over to an empty replica there is no group.
        const recover = (error: TransportError) =>
          (error.reason.startsWith("NOGROUP") ? createGroup(queue) : Effect.void).pipe(
            Effect.ignore,
            Effect.andThen(Effect.sleep("200 millis"))
          )

        /** Takes over what others have left lying. */
        const reclaim = Effect.gen(function* () {
          const count = settings.prefetch - inHand.size
          if (count <= 0) return
          const idle = String(visibility)
          const pending = yield* send<ReadonlyArray<readonly [Buffer, Buffer, number, number]>>(client, [
            "XPENDING",
            key,
            group,
            "IDLE",
            idle,
            "-",
            "+",
            String(count)
          ])
          for (const [id, , , deliveries] of pending) {
            if (inHand.has(id.toString())) continue
            const claimed = yield* send<ReadonlyArray<Entry>>(client, ["XCLAIM", key, group, consumer, idle, id])
            for (const entry of claimed) start(entry, deliveries + 1)
          }
        }).pipe(Effect.ignore)

        /** Shows the others that what is in hand is being worked on. */
        const heartbeat = Effect.gen(function* () {
          yield* Effect.sleep(visibility / 3)
          if (inHand.size > 0) yield* send(client, ["XCLAIM", key, group, consumer, "0", ...inHand, "JUSTID"])
        }).pipe(Effect.ignore)

        /** Gives back what the last read may have fetched too late to be started, and goes. */
        const leave = Effect.gen(function* () {
          const pending = yield* send<ReadonlyArray<readonly [Buffer, Buffer, number, number]>>(client, [
            "XPENDING",
            key,
            group,
            "-",
            "+",
            "1000",
            consumer
          ])
          for (const [id] of pending) yield* evaluate(putBack, [key], group, id.toString(), "0")
          yield* send(client, ["XGROUP", "DELCONSUMER", key, group, consumer])
        }).pipe(Effect.ignore)

        yield* Effect.addFinalizer(() => leave)
        yield* heartbeat.pipe(Effect.forever, Effect.forkScoped)
        yield* Effect.addFinalizer(() => inFlight.drain)
        yield* Effect.sleep(visibility / 2).pipe(
          Effect.andThen(Effect.uninterruptible(reclaim)),
          Effect.forever,
          Effect.forkScoped
        )
        yield* awaitPlace.pipe(
          Effect.flatMap((count) => Effect.uninterruptible(read(count))),
          Effect.catch(recover),
          Effect.forever,
          Effect.forkScoped
        )
        // The first to run on closing: without it the last read would wait in vain.
        yield* Effect.addFinalizer(() => {
          stopping = true
          return Effect.ignore(send(client, ["CLIENT", "UNBLOCK", String(readerId)]))
        })
      })

      return Transport.of({
        publish: ({ queue, id, body }) =>
          send(client, ["XADD", keyOf(queue), "*", "id", id, "body", Answer.bytes(body), "attempt", "0"]).pipe(
            Effect.asVoid
          ),
        subscribe,
        exists: (queue) =>
          Effect.map(send<number>(client, ["EXISTS", keyOf(queue), deadOf(queue)]), (count) => count > 0),
        deadLetters: (queue, limit = 100) => deadFrom(queue, "-", "+", limit),
        redrive: (queue, selection) =>
          eachDead(queue, selection, (letter) => evaluate(driveBack, [keyOf(queue), deadOf(queue)], letter)),
        discard: (queue, selection) =>
          eachDead(queue, selection, (letter) => send<number>(client, ["XDEL", deadOf(queue), letter]))
      })
    })
  )

/** Reads `REDIS_URL`. */
export const layerConfig = (
  options?: Omit<Options, "url">
): Layer.Layer<Transport, TransportError | Config.ConfigError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      return layer({ ...options, url: yield* Config.String("REDIS_URL") })
    })
  )
