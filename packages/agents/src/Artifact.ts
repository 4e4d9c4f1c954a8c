/**
 * What a run has made besides messages: a report, a table, a small file. Large ones belong elsewhere, with a link here.
 */
import type { Durable } from "@tenon/core/Durable"
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AgentRun } from "./AgentRun.ts"
import { type Run, settled } from "./RunSetting.ts"

/** The most that an artifact holds, in UTF-16 code units of text or base64. */
export const maxContent = 1_000_000

const what = {
  threadId: Schema.String,
  runId: Schema.String,
  name: Schema.NonEmptyString.check(Schema.isMaxLength(100)),
  mediaType: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
  /** How `content` stands for the bytes. */
  encoding: Schema.Literals(["text", "base64"]),
  content: Schema.String.check(Schema.isMaxLength(maxContent)),
  /** In bytes. */
  size: Schema.Int,
  /** Of the bytes, in hexadecimal. */
  sha256: Schema.String
}

/** An artifact, by its name in its run: kept again under the same name, the later one stands. */
export const Artifact = Resource.make("Artifact", {
  fields: { id: Field.Id, ...what, createdAt: Field.CreatedAt, updatedAt: Field.UpdatedAt },
  identities: { name: ["runId", "name"] },
  indexes: [["threadId"]],
  relations: {
    thread: Relation.belongsTo("Thread", "threadId", { onRemove: "cascade" }),
    run: Relation.belongsTo(AgentRun, "runId", { onRemove: "cascade" })
  },
  actions: (on) => ({
    keep: on.action({ policy: Policy.nobody, self: "optional", input: what }, ({ input, self }, { key }) =>
      on.save({ ...self, ...input, id: key }).pipe(Outcome.as(undefined))
    )
  })
})

/** What is kept: text, or bytes. */
export interface Made {
  readonly mediaType: string
  readonly content: string | Uint8Array
}

/** Keeps an artifact of the run. Dies where it is too large. */
export const keep = ({ durable, threadId }: Run, name: string, { content, mediaType }: Made): Effect.Effect<void> =>
  Effect.gen(function* () {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    const sha256 = yield* digest(durable, name, bytes)
    const encoding = typeof content === "string" ? ("text" as const) : ("base64" as const)
    const text = typeof content === "string" ? content : Base64.encode(content)
    const kept = { name, mediaType, encoding, content: text, size: bytes.length, sha256 }
    const of = { threadId, runId: durable.key }
    yield* settled(durable.call(Artifact.actions.keep, `${durable.key}/${name}`, { ...of, ...kept }))
  })

/** A step, since the platform computes it at a time of its own. */
const digest = (durable: Durable["Service"], name: string, bytes: Uint8Array): Effect.Effect<string> =>
  durable.step(
    `digest ${name}`,
    Effect.map(
      Effect.promise(() => crypto.subtle.digest("SHA-256", Uint8Array.from(bytes))),
      (buffer) => Hex.encode(new Uint8Array(buffer))
    )
  )
