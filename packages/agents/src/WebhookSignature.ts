/**
 * Signatures of webhooks as https://www.standardwebhooks.com specifies them: `v1,` and the base64 of an HMAC-SHA-256
 * over id, timestamp and body. Receivers written in TypeScript use `verify`.
 */
import * as Result from "effect/Result"
import { createHmac, timingSafeEqual } from "node:crypto"
import * as WebhookSecret from "./WebhookSecret.ts"

/** What is signed. `timestamp` is in seconds since 1970. */
export interface Signed {
  readonly id: string
  readonly timestamp: number
  readonly body: string
}

const digest = (key: Uint8Array, { body, id, timestamp }: Signed) =>
  createHmac("sha256", key).update(`${id}.${timestamp}.${body}`, "utf8").digest()

/** The value of the header `webhook-signature`, one signature per secret. A secret that is none signs nothing. */
export const sign = (secrets: ReadonlyArray<string>, signed: Signed): string =>
  secrets
    .flatMap((secret) => {
      const key = WebhookSecret.bytesOf(secret)
      return key === undefined ? [] : [`v1,${digest(key, signed).toString("base64")}`]
    })
    .join(" ")

/** What came with a request. Names of headers are in lower case, as Node gives them. */
export interface Received {
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  /** The body as it came, before it is parsed. */
  readonly body: string
}

/** How old, or how far ahead, a timestamp may be: five minutes, in seconds. */
const tolerance = 300

/**
 * Checks a request at its receiver: the delivery's id where it is genuine, a reason where it is not. A receiver that
 * must do something once keeps the ids it has seen. `now` is in milliseconds.
 */
export const verify = (
  secret: string,
  { body, headers }: Received,
  now: number = Date.now()
): Result.Result<string, string> => {
  const [id, time, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => headers[name])
  if (typeof id !== "string" || typeof time !== "string" || typeof signatures !== "string" || !/^\d{1,12}$/.test(time))
    return Result.fail("a webhook header is missing")
  const key = WebhookSecret.bytesOf(secret)
  if (key === undefined) return Result.fail("the secret is none")
  const timestamp = Number(time)
  if (Math.abs(now / 1000 - timestamp) > tolerance) return Result.fail("the timestamp is too far from now")
  const expected = digest(key, { id, timestamp, body })
  const genuine = signatures.split(" ").some((each) => {
    const given = each.startsWith("v1,") ? Buffer.from(each.slice(3), "base64") : undefined
    return given !== undefined && given.length === expected.length && timingSafeEqual(given, expected)
  })
  return genuine ? Result.succeed(id) : Result.fail("no signature fits")
}
