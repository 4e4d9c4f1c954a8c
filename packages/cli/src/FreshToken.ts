/**
 * A user's fresh token for a suspended slip, and who signs for it: the private key of the mesh's issuer in the file
 * that `SLIP_ISSUER_KEY_FILE` names, and the key set that its workers go by in `SLIP_KEYS_FILE`.
 */
import * as Keys from "@tenon/routing-slip/Keys"
import * as KeysFile from "@tenon/routing-slip/KeysFile"
import * as Reauthorisation from "@tenon/routing-slip/Reauthorisation"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

const maxLength = 16_384

/** A token as HTTP can carry it; what is wrong with one is said without it. */
export const Token = Schema.String.check(
  Schema.makeFilter((text) => text.length <= maxLength && /^[\x21-\x7e]+$/.test(text), {
    expected: `a token of 1 to ${maxLength} visible ASCII characters`
  })
).annotate({ format: "password" })

/** The token, or the key that is to sign for it, cannot be read or is not what it should be. */
export class TokenUnreadable extends Schema.TaggedError<TokenUnreadable>()("TokenUnreadable", {
  message: Schema.String
}) {}

const unreadable = (message: string) => () => new TokenUnreadable({ message })

const textOf = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)).pipe(
    Effect.mapError(unreadable(`${path} cannot be read.`))
  )

const standardInput = Effect.flatMap(Stdio.Stdio, ({ stdin }) => Stream.mkString(Stream.decodeText(stdin))).pipe(
  Effect.mapError(unreadable("The standard input cannot be read."))
)

/** Reads a token from a file, or from standard input for `-`. Space around it is not part of it. */
export const read = Effect.fnUntraced(function* (path: string) {
  const text = yield* path === "-" ? standardInput : textOf(path)
  const token = yield* Schema.decodeEffect(Token)(text.trim()).pipe(
    Effect.mapError(unreadable(`There must be one token, of at most ${maxLength} visible ASCII characters.`))
  )
  return Redacted.make(token)
})

const decodeKey = Schema.decodeEffect(Schema.fromJsonString(Keys.PrivateKey))

const signerIn = Effect.fnUntraced(function* (path: string) {
  // What the file holds is not to be quoted.
  const noKey = unreadable(`${path} does not hold a private Ed25519 key for signing, as a JSON Web Key with its kid.`)
  const key = yield* decodeKey(yield* textOf(path)).pipe(Effect.mapError(noKey))
  if (key.crv !== "Ed25519" || key.use !== "sig") return yield* noKey()
  return yield* SignedLog.signer(key).pipe(Effect.catchDefect(() => noKey()))
})

/** Has signed slips resumed with fresh tokens, where both settings are there. */
export const layer = Layer.effect(
  Reauthorisation.Issuers,
  Effect.gen(function* () {
    const keyFile = yield* Config.option(Config.NonEmptyString("SLIP_ISSUER_KEY_FILE"))
    if (Option.isNone(keyFile)) return undefined
    const path = yield* Config.NonEmptyString("SLIP_KEYS_FILE")
    const issuer = SignedLog.issuer(yield* signerIn(keyFile.value))
    const keys = Context.get(yield* Layer.build(KeysFile.layer({ path })), Keys.Keys)
    return { issuer, keys }
  })
)
