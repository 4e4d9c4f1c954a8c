/** What is served at `/`: where to go from here, as a page for browsers and as JSON for everyone else. */
import * as Effect from "effect/Effect"
import type * as OpenApi from "./OpenApi.ts"
import * as Reply from "./Reply.ts"
import type { Route } from "./Routes.ts"

/** What the page depends on. */
export interface Options {
  readonly info: OpenApi.Info | undefined
  /** Whether `/metrics` is served. */
  readonly metrics: boolean
}

/** `/`, without a token, with links to the documentation and to what operators ask for. */
export const route = ({ info, metrics }: Options): Route => {
  const title = info?.title ?? "API"
  const links = {
    documentation: "/docs",
    openapi: "/openapi.json",
    live: "/health/live",
    ready: "/health/ready",
    ...(metrics ? { metrics: "/metrics" } : {})
  }
  const page = html(title, Object.entries(links))
  return {
    method: "GET",
    path: "/",
    errors: [],
    open: true,
    handle: (exchange) =>
      Effect.sync(() =>
        (exchange.headers["accept"] ?? "").includes("text/html")
          ? Reply.text(exchange, "text/html; charset=utf-8", page, { vary: "accept" })
          : Reply.json(exchange, 200, { title, links }, { vary: "accept" })
      )
  }
}

const html = (title: string, links: ReadonlyArray<readonly [name: string, path: string]>): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)}</title></head>
<body><h1>${escape(title)}</h1>
<ul>
${links.map(([name, path]) => `<li><a href="${path}">${name}</a></li>`).join("\n")}
</ul></body></html>
`

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
