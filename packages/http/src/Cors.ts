/** Lets pages of other origins call the API (the Fetch standard, 3.3). Tokens travel in headers, so no credentials. */
import type { Exchange } from "./Exchange.ts"
import type { Extra } from "./Reply.ts"

/** Which pages may call. */
export interface Options {
  /** Origins such as `https://app.example.com`, or all of them. */
  readonly origins: ReadonlyArray<string> | "*"
  /** Seconds that a browser may remember the answer. Default 600. */
  readonly maxAgeSeconds?: number
}

const allowedHeaders =
  "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, x-api-key, x-request-id, traceparent"
const exposedHeaders = "etag, link, location, retry-after, www-authenticate, x-request-id"

/** The headers for an answer to a page of another origin. */
export const headersFor = (options: Options, exchange: Exchange): Extra => {
  const { origin } = exchange.headers
  const { origins } = options
  // Said to whoever asks, since what is kept of one answer may be given to a page of another origin.
  const vary = origins === "*" ? {} : { vary: "Origin" }
  if (origin === undefined || (origins !== "*" && !origins.includes(origin))) return vary
  return {
    "access-control-allow-origin": origins === "*" ? "*" : origin,
    "access-control-expose-headers": exposedHeaders,
    ...vary
  }
}

/** What a preflight is told besides. */
export const preflight = (options: Options, methods: ReadonlyArray<string>): Extra => ({
  "access-control-allow-methods": methods.join(", "),
  "access-control-allow-headers": allowedHeaders,
  "access-control-max-age": String(options.maxAgeSeconds ?? 600)
})
