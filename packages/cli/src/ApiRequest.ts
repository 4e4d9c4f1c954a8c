/** A request of a command to the application's own API, with a key of the operator's. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"

/** The application refused, or did not answer. */
export class ApiRefused extends Schema.TaggedError<ApiRefused>()("ApiRefused", {
  status: Schema.Int,
  message: Schema.String
}) {}

/** A row of the API. */
export type Fields = { readonly [field: string]: unknown }

/** Where the API is, and who asks: `TENON_URL` and `TENON_API_KEY`, which a running `tenon dev` gives by itself. */
const settings = Config.all({
  url: Config.NonEmptyString("TENON_URL"),
  key: Config.Redacted("TENON_API_KEY")
})

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const notJson = (status: number) =>
  new ApiRefused({ status, message: `What answered (${status}) is not the API of an application. Is TENON_URL right?` })

/** Sends a request and gives the JSON of its answer; null where there is none. */
export const send = Effect.fn("ApiRequest.send")(
  function* (method: "GET" | "POST", path: string, body?: Schema.Json) {
    const { key, url } = yield* settings
    const client = yield* HttpClient.HttpClient
    if (!URL.canParse(path, url)) return yield* new ApiRefused({ status: 0, message: "TENON_URL is no URL." })
    const request = HttpClientRequest.make(method)(new URL(path, url)).pipe(
      HttpClientRequest.bearerToken(Redacted.value(key)),
      (bare) => (body === undefined ? bare : HttpClientRequest.bodyJsonUnsafe(bare, body))
    )
    const response = yield* client.execute(request)
    const text = yield* response.text
    const answer = text === "" ? null : yield* Effect.mapError(decodeJson(text), () => notJson(response.status))
    if (response.status < 400) return answer
    const detail = Predicate.hasProperty(answer, "detail")
      ? String(answer.detail)
      : `The API answered ${response.status}.`
    return yield* new ApiRefused({ status: response.status, message: detail })
  },
  Effect.catchTag("HttpClientError", (error) =>
    Effect.fail(
      new ApiRefused({ status: 0, message: `The API does not answer: ${error.message}. Is \`tenon dev\` running?` })
    )
  )
)

/** A row. */
export const row = (method: "GET" | "POST", path: string, body?: Schema.Json) =>
  Effect.map(send(method, path, body), (answer): Fields => (Predicate.isObject(answer) ? (answer as Fields) : {}))

/** The rows of a page. */
export const rows = (path: string) =>
  Effect.map(send("GET", path), (answer): ReadonlyArray<Fields> =>
    Predicate.hasProperty(answer, "items") && Array.isArray(answer.items) ? answer.items : []
  )
