/** Queues in this process, on the clock at hand, with faults where a test asks for them. */
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as DeadLetters from "./DeadLetters.ts"
import * as InFlight from "./InFlight.ts"
import { type DeadLetter, type Outgoing, selects, Transport, TransportError } from "./Transport.ts"

/** What may go wrong with one message on its way in. Delays reorder. */
export type PublishFault =
  | { readonly _tag: "None" }
  /** The broker never had it, and the publisher is told. */
  | { readonly _tag: "Lost" }
  /** The broker has it, and the publisher is told that it may not. */
  | { readonly _tag: "Unconfirmed" }
  | { readonly _tag: "Duplicated"; readonly delay: number }
  | { readonly _tag: "Delayed"; readonly delay: number }

/** Decides about faults; delays in milliseconds. Without it nothing goes wrong. */
export const Faults = Context.Reference<{
  readonly publish: (message: Outgoing) => PublishFault
  /** Whether the acknowledgement of a message is lost, so that it is handed over again. */
  readonly losesAck: (message: Outgoing) => boolean
}>("@tenon/messaging/TransportMemory/Faults", {
  defaultValue: () => ({ publish: () => ({ _tag: "None" }), losesAck: () => false })
})

interface Item {
  readonly message: Outgoing
  attempt: number
}

class MemoryQueue {
  readonly dead: Array<DeadLetter> = []
  private readonly ready: Array<Item> = []
  private readonly waiting = new Set<() => void>()

  offer(item: Item): void {
    this.ready.push(item)
    for (const wake of this.waiting) wake()
    this.waiting.clear()
  }

  /** Taking is synchronous, so that an interruption cannot fall between taking an item and having it. */
  take(): Item | undefined {
    return this.ready.shift()
  }

  readonly awaitWork = Effect.callback<void>((resume) => {
    if (this.ready.length > 0) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    this.waiting.add(wake)
    return Effect.sync(() => this.waiting.delete(wake))
  })
}

const injected = () => new TransportError({ operation: "publish", reason: "an injected fault" })

/** Queues that live and die with this layer. */
export const layer: Layer.Layer<Transport> = Layer.effect(
  Transport,
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const faults = yield* Faults
    const queues = new Map<string, MemoryQueue>()
    let letters = 0

    const queueOf = (name: string): MemoryQueue => {
      const queue = queues.get(name) ?? new MemoryQueue()
      queues.set(name, queue)
      return queue
    }

    const later = (millis: number, message: Outgoing, attempt = 0) =>
      Effect.sleep(millis).pipe(
        Effect.andThen(Effect.sync(() => queueOf(message.queue).offer({ message, attempt }))),
        Effect.forkIn(scope),
        Effect.asVoid
      )

    const publish = Effect.fnUntraced(function* (message: Outgoing) {
      const fault = faults.publish(message)
      if (fault._tag === "Lost") return yield* injected()
      if (fault._tag === "Delayed") return yield* later(fault.delay, message)
      if (fault._tag === "Duplicated") yield* later(fault.delay, message)
      queueOf(message.queue).offer({ message, attempt: 0 })
      if (fault._tag === "Unconfirmed") return yield* injected()
    })

    const settle = (queue: MemoryQueue, item: Item) =>
      Effect.fnUntraced(function* (ending: InFlight.Ending) {
        const { message, attempt } = item
        switch (ending._tag) {
          case "Ack":
            return faults.losesAck(message) ? yield* later(1, message, attempt) : undefined
          case "Requeue":
            return queue.offer(item)
          case "GiveBack":
            return queue.offer({ message, attempt: attempt - 1 })
          case "DeadLetter": {
            const { reason, detail } = ending
            const fingerprint = yield* DeadLetters.fingerprint(message.queue, reason, detail)
            const at = yield* Clock.currentTimeMillis
            queue.dead.push({ ...message, letter: String(++letters), reason, detail, fingerprint, at })
          }
        }
      })

    const removeDead = (name: string, matches: (letter: DeadLetter) => boolean) =>
      Effect.sync(() => {
        const queue = queueOf(name)
        const removed = queue.dead.filter(matches)
        queue.dead.splice(0, queue.dead.length, ...queue.dead.filter((letter) => !matches(letter)))
        return removed
      })

    return Transport.of({
      publish,
      subscribe: Effect.fnUntraced(function* (name, handler, options) {
        const settings = InFlight.settings(options)
        const queue = queueOf(name)
        const inFlight = yield* InFlight.make(handler, settings)
        yield* Effect.addFinalizer(() => inFlight.drain)
        const places = Semaphore.makeUnsafe(settings.prefetch)
        const start = Effect.suspend(() => {
          const item = queue.take()
          if (item === undefined) return places.release(1)
          const delivery = { ...item.message, attempt: ++item.attempt }
          inFlight.start(delivery, (ending) => Effect.ensuring(settle(queue, item)(ending), places.release(1)))
          return Effect.void
        })
        const next = places.take(1).pipe(Effect.andThen(queue.awaitWork), Effect.andThen(Effect.uninterruptible(start)))
        yield* next.pipe(Effect.forever, Effect.forkScoped)
      }),
      exists: (name) => Effect.sync(() => queues.has(name)),
      deadLetters: (name, limit = 100) => Effect.sync(() => queues.get(name)?.dead.slice(0, limit) ?? []),
      redrive: (name, selection) =>
        removeDead(name, (letter) => selects(selection, letter)).pipe(
          Effect.tap((removed) =>
            Effect.sync(() => {
              for (const { queue, id, body } of removed)
                queueOf(name).offer({ message: { queue, id, body }, attempt: 0 })
            })
          ),
          Effect.map((removed) => removed.length)
        ),
      discard: (name, selection) =>
        Effect.map(
          removeDead(name, (letter) => selects(selection, letter)),
          (removed) => removed.length
        )
    })
  })
)
