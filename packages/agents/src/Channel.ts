/** Where a thread's messages go besides its own clients: a webhook, a log, whatever the host has an adapter for. */
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ChannelConfigInvalid, UnknownChannelKind } from "./ChannelFailure.ts"
import * as ChannelKind from "./ChannelKind.ts"
import * as ChannelRetry from "./ChannelRetry.ts"
import { WakeChannel } from "./ChannelWorkflow.ts"
import * as LogKind from "./ChannelLogKind.ts"
import * as WebhookKind from "./ChannelWebhookKind.ts"
import * as WebhookSecret from "./WebhookSecret.ts"

/** Nothing is delivered while a channel is paused; what comes meanwhile waits. */
export const ChannelStatus = Schema.Literals(["ACTIVE", "PAUSED"])

/** Who sets up where a tenant's messages go. */
const administrators = Policy.roles("admin", "system")

/** How long the secret before the last still counts after a rotation, unless told otherwise. */
const standardOverlapMillis = 86_400_000

const Secret = WebhookSecret.WebhookSecret.pipe(Field.sensitive)

/**
 * What a channel's deliveries are signed with, kept apart so that no row of a channel and nothing that is journaled
 * holds it. Several count at once while one replaces another.
 */
export const ChannelSecret = Resource.make("ChannelSecret", {
  fields: {
    id: Field.Id,
    channelId: Schema.String,
    secret: Secret,
    /** From when it no longer counts; none for the latest. */
    expiresAt: Schema.optionalKey(Schema.DateTimeUtc),
    createdAt: Field.CreatedAt
  },
  indexes: [["channelId"]],
  relations: { channel: Relation.belongsTo("Channel", "channelId", { onRemove: "cascade" }) },
  actions: () => ({})
})

/** The resource with these kinds of channels, and those that come with the package. */
export const make = (...hosts: ReadonlyArray<ChannelKind.Any>) => {
  const kinds = new Map([LogKind.kind, WebhookKind.kind, ...hosts].map((kind) => [kind.name, kind]))

  /** The configuration as it is kept, or why it is refused. */
  const checked = (
    name: string,
    config: Schema.Json
  ): Result.Result<Schema.Json, UnknownChannelKind | ChannelConfigInvalid> => {
    const kind = kinds.get(name)
    return kind === undefined
      ? Result.fail(new UnknownChannelKind({ kind: name, known: [...kinds.keys()] }))
      : Result.map(ChannelKind.decode(kind, config), () => config)
  }

  return Resource.make("Channel", {
    fields: {
      id: Field.Id,
      kind: Schema.NonEmptyString,
      config: Schema.Json,
      retry: ChannelRetry.ChannelRetry.pipe(Field.withDefault(ChannelRetry.standard)),
      status: ChannelStatus.pipe(Field.withDefault("ACTIVE")),
      /** Why it was paused, where its receiver is the reason. */
      problem: Schema.optionalKey(Schema.String),
      createdAt: Field.CreatedAt,
      updatedAt: Field.UpdatedAt
    },
    actions: (on) => ({
      create: on.create(
        {
          description: "Sets up a channel. Without a secret it gets a random one; `rotateSecret` is how to see one.",
          policy: administrators,
          input: {
            kind: Schema.NonEmptyString,
            config: Schema.Json,
            secret: Schema.optionalKey(Secret),
            retry: Schema.optionalKey(ChannelRetry.ChannelRetry)
          },
          errors: [UnknownChannelKind, ChannelConfigInvalid],
          touches: [ChannelSecret]
        },
        ({ input: { config, kind, retry, secret } }, context) =>
          Result.map(checked(kind, config), () =>
            on.save({ id: context.key, kind, config, ...(retry === undefined ? {} : { retry }) }).pipe(
              Outcome.also(
                Outcome.save(ChannelSecret, {
                  channelId: context.key,
                  secret: secret ?? WebhookSecret.fromIds(context.newId)
                })
              )
            )
          )
      ),

      configure: on.update(
        {
          description: "Replaces the configuration.",
          policy: administrators,
          input: { config: Schema.Json },
          errors: [UnknownChannelKind, ChannelConfigInvalid]
        },
        ({ input: { config }, self }) => Result.map(checked(self.kind, config), () => ({ ...self, config }))
      ),

      rotateSecret: on.action(
        {
          description:
            "Gives the channel a new secret and shows it, this once. What is sent bears signatures of both until the overlap is over.",
          policy: administrators,
          input: {
            secret: Schema.optionalKey(Secret),
            overlapMillis: Schema.optionalKey(
              Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 * standardOverlapMillis }))
            )
          },
          load: ({ self }) => ({ secrets: Load.many(ChannelSecret, { channelId: self.id }) }),
          output: Schema.Struct({ secret: Schema.String }),
          touches: [ChannelSecret]
        },
        ({ input, loaded: { secrets }, self }, context) => {
          const secret = input.secret ?? WebhookSecret.fromIds(context.newId)
          const expiresAt = DateTime.add(context.now, { milliseconds: input.overlapMillis ?? standardOverlapMillis })
          return Outcome.save(ChannelSecret, { channelId: self.id, secret }).pipe(
            Outcome.forEach(secrets, (each) =>
              Outcome.also(
                each.expiresAt === undefined
                  ? Outcome.save(ChannelSecret, { ...each, expiresAt })
                  : DateTime.isLessThan(each.expiresAt, context.now)
                    ? Outcome.remove(ChannelSecret, each.id)
                    : Outcome.nothing
              )
            ),
            Outcome.as({ secret })
          )
        }
      ),

      pause: on.update(
        {
          description: "Stops deliveries; messages wait for `resume`.",
          policy: administrators,
          input: { problem: Schema.optionalKey(Schema.String) }
        },
        ({ input, self }) => ({ ...self, ...input, status: "PAUSED" as const })
      ),

      resume: on.update(
        {
          description: "Goes on with deliveries, the ones that waited first.",
          policy: administrators,
          touches: [WakeChannel]
        },
        ({ self: { problem: _, ...self } }, context) =>
          on
            .save({ ...self, status: "ACTIVE" })
            .pipe(Outcome.startWorkflow(WakeChannel, { key: context.newId(), input: { channelId: self.id } }))
      ),

      remove: on.destroy({
        description: "Removes the channel, its bindings and what waits for it.",
        policy: administrators
      })
    })
  })
}

/** A channel of one of the kinds that come with the package. */
export const Channel = make()
