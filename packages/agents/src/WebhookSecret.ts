/** Secrets that deliveries are signed with, as https://www.standardwebhooks.com writes them. */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const prefix = "whsec_"

/** The key's bytes; `undefined` where the text is no secret. The key has 24 to 64 bytes. */
export const bytesOf = (secret: string): Uint8Array | undefined => {
  if (!secret.startsWith(prefix)) return undefined
  const decoded = Base64.decode(secret.slice(prefix.length))
  return Result.isSuccess(decoded) && decoded.success.length >= 24 && decoded.success.length <= 64
    ? decoded.success
    : undefined
}

/** `whsec_` and 24 to 64 bytes in base64. Faults are told without the value. */
export const WebhookSecret = Schema.String.check(
  // By itself the next check would do; this one lets values be drawn.
  Schema.isPattern(/^whsec_(?:[A-Za-z0-9+/]{4}){8,20}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, {
    expected: "whsec_ and 24 to 64 bytes in base64"
  }),
  Schema.makeFilter((secret: string) =>
    bytesOf(secret) === undefined ? `must be ${prefix} and 24 to 64 bytes in base64` : undefined
  )
)

/** A secret from the random bits of four new ids (RFC 9562, version 7): 74 in each, in its last ten bytes. */
export const fromIds = (newId: () => string): string => {
  const bytes = Array.from({ length: 4 }, () => newId().replaceAll("-", "").slice(12)).flatMap((hex) =>
    Array.from({ length: hex.length / 2 }, (_, index) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16))
  )
  return prefix + Base64.encode(Uint8Array.from(bytes))
}
