/** The secrets with which contexts are signed: the first signs, all verify, so a key can be changed without a gap. */
import * as NodeCrypto from "node:crypto"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** The keys at hand. */
export interface ContextKeys {
  /** The id of the key that signs. */
  readonly current: string
  readonly secrets: ReadonlyMap<string, NodeCrypto.KeyObject>
}

/** The signing keys are missing or too weak; the message says what to do and quotes no secret. */
export class ContextKeysError extends Schema.TaggedError<ContextKeysError>()("ContextKeysError", {
  message: Schema.String
}) {}

const shortest = 32

const mend = "Use `openssl rand -base64 32`, as `id:secret`; separate several by commas, the one that signs first."

/**
 * Reads `id:secret[,id:secret…]`. A key that no longer signs must stay in the list until every invocation signed with
 * it has ended, delayed sends and waiting workflows included: what cannot be verified is refused.
 */
export const parse = (text: Redacted.Redacted): Effect.Effect<ContextKeys, ContextKeysError> =>
  Effect.suspend(() => {
    const secrets = new Map<string, NodeCrypto.KeyObject>()
    for (const [index, part] of Redacted.value(text).split(",").entries()) {
      const [, id = "", secret = ""] = /^\s*([A-Za-z0-9_-]{1,32}):(\S+)\s*$/.exec(part) ?? []
      const fault =
        secret === ""
          ? "is not `id:secret`"
          : secret.length < shortest
            ? `is shorter than ${shortest} characters`
            : secrets.has(id)
              ? "has the id of another"
              : undefined
      if (fault !== undefined) {
        return Effect.fail(new ContextKeysError({ message: `Context key ${index + 1} ${fault}. ${mend}` }))
      }
      secrets.set(id, NodeCrypto.createSecretKey(secret, "utf8"))
    }
    const [current = ""] = secrets.keys()
    return Effect.succeed({ current, secrets })
  })

/** Keys that exist only in this process: for tests, and for a process that is both door and handler. */
export const random = (id = "random"): ContextKeys => ({
  current: id,
  secrets: new Map([[id, NodeCrypto.createSecretKey(NodeCrypto.randomBytes(shortest))]])
})

const missing = `TENON_CONTEXT_KEY is not set. The door signs with it what the handlers of actions are told. ${mend}`

/** The keys that `TENON_CONTEXT_KEY` holds, in the form that `parse` reads. */
export const fromConfig: Effect.Effect<ContextKeys, Config.ConfigError | ContextKeysError> = Effect.gen(function* () {
  const text = yield* Config.option(Config.Redacted("TENON_CONTEXT_KEY"))
  return yield* Option.isNone(text) ? new ContextKeysError({ message: missing }) : parse(text.value)
})
