/** Plain HTTP against a served application, for tests that look at answers as a stranger would. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** No answer came. */
export class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", { message: Schema.String }) {}

/** An answer, whatever its status. `body` is undefined where it is empty or no JSON. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** What to send besides method and path. */
export interface Extra {
  readonly body?: unknown
  readonly headers?: { readonly [name: string]: string }
}

/** A client with a key. */
export interface ApiClient {
  readonly send: (method: string, path: string, extra?: Extra) => Effect.Effect<Answer, NoAnswer>
}

/** Talks to the API at `url` with an API key. */
export const make = (url: string, key: string): ApiClient => ({
  send: (method, path, extra = {}) =>
    Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(new URL(path, url), {
          method,
          signal,
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...extra.headers },
          ...(extra.body === undefined ? {} : { body: JSON.stringify(extra.body) })
        })
        return { status: response.status, headers: response.headers, body: parse(await response.text()) }
      },
      catch: (cause) => new NoAnswer({ message: String(cause) })
    })
})

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
