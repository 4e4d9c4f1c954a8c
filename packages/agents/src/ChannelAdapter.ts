/**
 * What delivers to channels of one kind. Implementations: `ChannelLog` and `ChannelWebhook`; a host adds its own
 * (mail, chat, a queue) by a kind and an adapter, and says the kind in `Channel.make`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ChannelKind from "./ChannelKind.ts"

/** The message at hand, as JSON. */
export interface Delivered {
  /** Of the delivery: the same in every attempt, so that a receiver can tell a repetition. */
  readonly id: string
  readonly channelId: string
  readonly threadId: string
  readonly messageId: string
  /** The message's place in its thread, from 1. */
  readonly position: number
  readonly participantId: string
  readonly content: Schema.Json
  /** When the message was posted (ISO 8601, UTC). */
  readonly createdAt: string
}

/** Why an attempt failed. `message` is shown to those who run the channel and must hold no secret. */
export class DeliveryFailed extends Schema.TaggedError<DeliveryFailed>()("DeliveryFailed", {
  message: Schema.String,
  retryable: Schema.Boolean,
  /** Attempts at most for a failure of this sort, where that is fewer than the channel's. */
  atMost: Schema.optionalKey(Schema.Int),
  /** How long the receiver asks to be left alone. */
  retryAfterMillis: Schema.optionalKey(Schema.Int),
  /** The receiver wants no more: the channel is paused. */
  gone: Schema.optionalKey(Schema.Boolean)
}) {}

/**
 * Delivers one message. May be called again for one that has arrived; `secrets` are those that count, the latest first.
 */
export interface Deliver<in Config> {
  (config: Config, secrets: ReadonlyArray<Redacted.Redacted>, message: Delivered): Effect.Effect<void, DeliveryFailed>
}

/** An adapter, its configuration not yet read. */
export interface ChannelAdapter {
  readonly kind: string
  readonly deliver: Deliver<Schema.Json>
}

/** The adapter of a kind. */
export const make = <Config>(kind: ChannelKind.ChannelKind<Config>, deliver: Deliver<Config>): ChannelAdapter => ({
  kind: kind.name,
  deliver: (json, secrets, message) =>
    Effect.fromResult(ChannelKind.decode(kind, json)).pipe(
      Effect.mapError((fault) => new DeliveryFailed({ message: fault.message, retryable: false })),
      Effect.flatMap((config) => deliver(config, secrets, message))
    )
})

/** The adapters of an application, by kind. */
export class ChannelAdapters extends Context.Service<ChannelAdapters, ReadonlyMap<string, ChannelAdapter>>()(
  "@tenon/agents/ChannelAdapters"
) {}

/** Provides adapters, each made by an effect. */
export const layer = <T extends ReadonlyArray<Effect.Effect<ChannelAdapter, unknown, unknown>>>(
  ...adapters: T
): Layer.Layer<ChannelAdapters, Effect.Error<T[number]>, Exclude<Effect.Services<T[number]>, Scope.Scope>> =>
  Layer.effect(
    ChannelAdapters,
    Effect.map(
      Effect.all(adapters) as Effect.Effect<
        ReadonlyArray<ChannelAdapter>,
        Effect.Error<T[number]>,
        Effect.Services<T[number]>
      >,
      (made) => new Map(made.map((adapter) => [adapter.kind, adapter]))
    )
  )
