/** Serves the OpenAPI document, a page that shows it, and what each type of problem means. */
import type * as Action from "@tenon/core/Action"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import type * as Registry from "@tenon/core/Registry"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import * as DocsPage from "./DocsPage.ts"
import { UnknownRoute } from "./HttpFailure.ts"
import * as OpenApi from "./OpenApi.ts"
import * as Problem from "./Problem.ts"
import * as Reply from "./Reply.ts"
import type { Handler, Route } from "./Routes.ts"

/** `/openapi.json`, `/docs` and `/problems/{type}`, all without a token: they tell of the API, not of its data. */
export const routes = (
  registry: Registry.Registry,
  info: OpenApi.Info | undefined,
  further: ReadonlyArray<Route> = []
): ReadonlyArray<Route> => {
  const document = once(() => {
    const text = JSON.stringify(OpenApi.make(registry, info, further))
    return { text, etag: `"${hash("sha256", text, "base64url").slice(0, 22)}"` }
  })
  const problems = once(() => describeProblems(registry, further))
  return [
    open("/openapi.json", (exchange) =>
      Effect.sync(() => {
        const { etag, text } = document()
        return exchange.headers["if-none-match"] === etag
          ? Reply.empty(exchange, 304, { etag })
          : Reply.text(exchange, "application/json", text, { etag })
      })
    ),
    open("/docs", (exchange) =>
      Effect.sync(() =>
        HttpServerResponse.text(DocsPage.html, {
          contentType: "text/html; charset=utf-8",
          headers: Reply.headersOf(exchange, { "content-security-policy": DocsPage.policy })
        })
      )
    ),
    open("/problems/{type}", (exchange) =>
      Effect.suspend(() => {
        const found = problems().get(exchange.path)
        return found === undefined ? Effect.fail(new UnknownRoute()) : Effect.succeed(Reply.json(exchange, 200, found))
      })
    )
  ]
}

const open = (path: string, handle: Handler): Route => ({ method: "GET", path, errors: [], open: true, handle })

const once = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

const describeProblems = (registry: Registry.Registry, further: ReadonlyArray<Route>): ReadonlyMap<string, unknown> => {
  const actions = registry.resources.flatMap((resource) => Object.values(resource.actions))
  const own = [...actions, ...further].flatMap(({ errors }) => errors)
  const classes = new Set<Action.ErrorClass>([...Problem.common, ...own])
  return new Map(
    [...classes].map((errorClass) => {
      const tag = ErrorBoundary.tagOf(errorClass)
      const { retryable, status } = ErrorBoundary.classification(errorClass)
      const description = Schema.resolveAnnotations(errorClass)?.["description"]
      const type = Problem.typeOf(tag)
      return [type, { type, title: Problem.title(tag), tag, status, retryable, description }] as const
    })
  )
}
