/** A key set that a server publishes (JWKS, RFC 7517). */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as BoundedFetch from "./BoundedFetch.ts"
import * as Keys from "./Keys.ts"

/** Where it is and how it is kept fresh. */
export interface Options extends Keys.ReloadOptions {
  /** `https`, or a server on this machine: who can change the set on its way decides whom the mesh trusts. */
  readonly url: string
  /** How long one request may take. Default 5 seconds. */
  readonly timeout?: Duration.Input
}

/** Fetches the set when it is needed and has become old. Dies where it would come over the network in clear. */
export const layer = (options: Options): Layer.Layer<Keys.Keys, never, HttpClient.HttpClient> => {
  const url = new URL(options.url)
  const millis = Duration.toMillis(Duration.fromInputUnsafe(options.timeout ?? "5 seconds"))
  const read = BoundedFetch.json(HttpClientRequest.acceptJson(HttpClientRequest.get(options.url)), millis).pipe(
    Effect.flatMap(({ body, status }) =>
      status === 200 ? Effect.succeed(body) : Effect.fail(new BoundedFetch.FetchFailed({ message: `status ${status}` }))
    )
  )
  return BoundedFetch.isGuarded(url)
    ? Keys.layerReloading(read, options)
    : Layer.effectDiscard(Effect.die(new Error(`${url.origin} is not reached over TLS`))).pipe(
        Layer.provideMerge(Keys.layerReloading(read, options))
      )
}
