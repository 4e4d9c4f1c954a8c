/** When a failed delivery is tried again: exponential backoff with jitter, a bounded number of times. Pure. */
import * as Schema from "effect/Schema"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** The longest that a receiver may ask to be left alone, in milliseconds. */
export const maxRetryAfterMillis = 3_600_000

/**
 * How often a message is tried, and how long is waited between: `firstMillis`, doubled after every attempt up to
 * `maxMillis`, of which a half is chance.
 */
export const ChannelRetry = Schema.Struct({
  attempts: between(1, 50),
  firstMillis: between(1, 3_600_000),
  maxMillis: between(1, 86_400_000)
})
export type ChannelRetry = typeof ChannelRetry.Type

/** Eight attempts over some two minutes. */
export const standard: ChannelRetry = { attempts: 8, firstMillis: 1000, maxMillis: 60_000 }

/** How an attempt failed, as far as the next one depends on it. */
export interface Failed {
  readonly retryable: boolean
  /** Attempts at most for a failure of this sort, where that is fewer than the channel's. */
  readonly atMost?: number
  /** How long the receiver asked to be left alone. */
  readonly retryAfterMillis?: number
}

/** How long to wait after the attempt of this number (from 1); none after the last. `chance` is from 0 up to 1. */
export const delayAfter = (
  retry: ChannelRetry,
  failed: Failed,
  attempt: number,
  chance: number
): number | undefined => {
  if (!failed.retryable || attempt >= Math.min(retry.attempts, failed.atMost ?? retry.attempts)) return undefined
  const backoff = Math.min(retry.maxMillis, retry.firstMillis * 2 ** (attempt - 1))
  const asked = Math.min(maxRetryAfterMillis, failed.retryAfterMillis ?? 0)
  return Math.max(asked, Math.round(backoff * (0.5 + chance / 2)))
}
