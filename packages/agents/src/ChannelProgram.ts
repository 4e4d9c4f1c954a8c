/** The programs behind channels: what carries messages out, and what sets a channel's bindings going again. */
import { CurrentActor } from "@tenon/core/Actor"
import { Durable, type StepOptions } from "@tenon/core/Durable"
import { type ActionFailure, NotFound } from "@tenon/core/Failure"
import { Repository } from "@tenon/core/Repository"
import * as Workflow from "@tenon/core/Workflow"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Channel, ChannelSecret } from "./Channel.ts"
import { type ChannelAdapter, ChannelAdapters, type Delivered, DeliveryFailed } from "./ChannelAdapter.ts"
import { ChannelBinding } from "./ChannelBinding.ts"
import { Attempt, ChannelDelivery } from "./ChannelDelivery.ts"
import { DeliverMessages, WakeChannel } from "./ChannelWorkflow.ts"
import { Content } from "./Content.ts"
import { Message } from "./Message.ts"

/** How many messages one workflow carries out before another goes on, so that no journal grows without bound. */
const batch = 50

/** How long an adapter may take at most, whatever it promises. */
const patience = "2 minutes"

const equal = (field: string, value: string) => ({ field, operator: "eq" as const, value })

/** The row, or `undefined` where it has been removed meanwhile. */
const unlessRemoved = <A, R>(effect: Effect.Effect<A, ActionFailure, R>) =>
  Effect.catch(effect, (failure): Effect.Effect<undefined, ActionFailure> =>
    failure instanceof NotFound ? Effect.undefined : Effect.fail(failure)
  )

/**
 * A step of reads and deliveries: the runtime waits for a store that does not answer; what else it refuses is a bug.
 */
const step = <A, R>(
  durable: Durable["Service"],
  name: string,
  effect: Effect.Effect<A, ActionFailure, R>,
  options?: StepOptions<A, ActionFailure>
) => Effect.orDie(durable.step(name, Effect.provideService(effect, CurrentActor, durable.actor), options))

/** Carries out what waits for a binding, for `Workflow.layer`. */
export const deliverMessages = Workflow.implement(
  DeliverMessages,
  Effect.fnUntraced(function* ({ bindingId, channelId }) {
    const durable = yield* Durable
    const due = yield* step(durable, "what waits", dueOf(bindingId))
    for (const id of due) {
      if ((yield* carryOut({ bindingId, channelId, id })) === "stop") break
    }
    yield* gone(durable.call(ChannelBinding.actions.rest, bindingId, { pump: durable.key }))
  })
)

/** Sets the bindings of a channel going again, for `Workflow.layer`. */
export const wakeChannel = Workflow.implement(
  WakeChannel,
  Effect.fnUntraced(function* ({ channelId }) {
    const durable = yield* Durable
    let after: string | undefined
    do {
      const page = yield* step(durable, "bindings", bindingsOf(channelId, after))
      for (const id of page.ids) yield* durable.send(ChannelBinding.actions.wake, id, {})
      after = page.next
    } while (after !== undefined)
  })
)

/** A binding, delivery or channel that was removed meanwhile has nothing to be told. */
const gone = <A, E extends ActionFailure>(effect: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
  Effect.catch(effect, (failure) => (failure instanceof NotFound ? Effect.undefined : Effect.die(failure)))

const dueOf = Effect.fnUntraced(function* (bindingId: string) {
  const repository = yield* Repository
  const filters = [equal("bindingId", bindingId), equal("status", "PENDING")]
  const page = yield* repository.list(ChannelDelivery, { filters, sort: "position", limit: String(batch) })
  return page.items.map(({ id }) => id)
})

const bindingsOf = Effect.fnUntraced(function* (channelId: string, after: string | undefined) {
  const repository = yield* Repository
  const page = yield* repository.list(ChannelBinding, { filters: [equal("channelId", channelId)], limit: "200", after })
  return { ids: page.items.map(({ id }) => id), ...(page.next === undefined ? {} : { next: page.next }) }
})

/** `skipped`: it need not be delivered any more. `paused`: not now, and nothing after it either. */
const Came = Schema.Union([
  Attempt,
  Schema.Struct({ result: Schema.Literal("skipped") }),
  Schema.Struct({ result: Schema.Literal("paused") })
])

/** Delivers one message, however many attempts it takes; the binding's order needs no other to overtake it. */
const carryOut = Effect.fnUntraced(function* ({
  bindingId,
  channelId,
  id
}: {
  readonly bindingId: string
  readonly channelId: string
  readonly id: string
}) {
  const durable = yield* Durable
  for (;;) {
    const came = yield* step(durable, "deliver", attempt(id), { success: Came })
    if (came.result === "skipped") return "go on"
    if (came.result === "paused") return "stop"
    const chance = yield* Random.next
    const next = yield* gone(durable.call(ChannelDelivery.actions.attempted, id, { attempt: came, chance }))
    if (came.result === "gone") {
      yield* gone(durable.call(Channel.actions.pause, channelId, { problem: came.problem }))
      return "stop"
    }
    if (next?.delayMillis === undefined) return "go on"
    const { delayMillis } = next
    yield* gone(durable.call(ChannelBinding.actions.wait, bindingId, { pump: durable.key, delayMillis }))
    yield* durable.sleep(delayMillis)
  }
})

/** One attempt. The secret is read here and goes nowhere but to the adapter. */
const attempt = Effect.fnUntraced(function* (id: string) {
  const repository = yield* Repository
  const adapters = yield* ChannelAdapters
  const delivery = yield* unlessRemoved(repository.get(ChannelDelivery, id))
  if (delivery === undefined || delivery.status !== "PENDING") return { result: "skipped" as const }
  const { channelId, messageKey, threadId } = delivery
  const channel = yield* unlessRemoved(repository.get(Channel, channelId))
  const filters = [equal("threadId", threadId), equal("idempotencyKey", messageKey)]
  const [message] = (yield* repository.list(Message, { filters })).items
  if (channel === undefined || message === undefined)
    return { result: "failed" as const, problem: "the message is gone", retryable: false }
  if (channel.status === "PAUSED") return { result: "paused" as const }
  const adapter = adapters.get(channel.kind)
  if (adapter === undefined)
    return { result: "failed" as const, problem: `no adapter for the kind ${channel.kind}`, retryable: true }
  const secrets = yield* secretsOf(channelId)
  const delivered: Delivered = {
    id,
    channelId,
    threadId,
    messageId: message.id,
    position: message.position,
    participantId: message.participantId,
    content: encodeContent(message.content),
    createdAt: DateTime.formatIso(message.createdAt)
  }
  return yield* outcomeOf(adapter.deliver(channel.config, secrets, delivered), adapter)
})

const encodeContent = Schema.encodeSync(Schema.toCodecJson(Content))

/** Those that count, the latest first. */
const secretsOf = Effect.fnUntraced(function* (channelId: string) {
  const repository = yield* Repository
  const now = yield* Clock.currentTimeMillis
  const { items } = yield* repository.list(ChannelSecret, { filters: [equal("channelId", channelId)] })
  return items
    .filter(({ expiresAt }) => expiresAt === undefined || DateTime.toEpochMillis(expiresAt) > now)
    .toSorted((a, b) => Number(a.expiresAt !== undefined) - Number(b.expiresAt !== undefined))
    .map(({ secret }) => Redacted.make(secret))
})

/** What came of an adapter's work. One that has a bug, or does not end, failed like any other. */
const outcomeOf = (work: Effect.Effect<void, DeliveryFailed>, { kind }: ChannelAdapter): Effect.Effect<Attempt> =>
  work.pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new DeliveryFailed({ message: "the adapter did not end", retryable: true }))
    }),
    Effect.catchDefect((defect) =>
      Effect.logError("The adapter of a channel has a bug", Cause.pretty(Cause.die(defect))).pipe(
        Effect.annotateLogs({ kind }),
        Effect.andThen(Effect.fail(new DeliveryFailed({ message: "the adapter has a bug", retryable: true })))
      )
    ),
    Effect.match({
      onSuccess: (): Attempt => ({ result: "delivered" }),
      onFailure: ({ atMost, gone: wantsNoMore, message: problem, retryable, retryAfterMillis }): Attempt =>
        wantsNoMore === true
          ? { result: "gone", problem }
          : {
              result: "failed",
              problem,
              retryable,
              ...(atMost === undefined ? {} : { atMost }),
              ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
            }
    })
  )
