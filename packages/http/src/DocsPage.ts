/**
 * The documentation page: one file that fetches nothing but `/openapi.json` of the same server. Its policy allows its
 * own script and style by their hashes and nothing else. Everything it shows is set as text, never as markup.
 */
import { hash } from "node:crypto"

const style = `
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1.5rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:.35rem .7rem}
summary{cursor:pointer}code,pre,textarea,input{font:13px/1.45 ui-monospace,monospace}
pre{background:var(--soft);padding:.6rem;overflow:auto;border-radius:6px;max-height:26rem}
.m{display:inline-block;width:4.2rem;font-weight:600}.muted{opacity:.7}
input,textarea{width:100%;box-sizing:border-box;padding:.3rem}label{display:block;margin:.35rem 0}
button{margin:.5rem 0;padding:.35rem .9rem}
`

const script = `
const make = (tag, props, ...children) => {
  const node = Object.assign(document.createElement(tag), props)
  node.append(...children)
  return node
}
const show = (value) => make("pre", { textContent: typeof value === "string" ? value : JSON.stringify(value, null, 2) })
const token = make("input", { type: "password", autocomplete: "off", placeholder: "token or API key; it stays on this page" })
const resolve = (api, schema, seen = []) => {
  if (schema === null || typeof schema !== "object") return schema
  if (Array.isArray(schema)) return schema.map((each) => resolve(api, each, seen))
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop()
    return seen.includes(name) ? { "...": name } : resolve(api, api.components.schemas[name], [...seen, name])
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolve(api, value, seen)]))
}
const lazy = (title, content) => {
  const box = make("details", {}, make("summary", { textContent: title }))
  box.addEventListener("toggle", () => box.append(...content()), { once: true })
  return box
}
const attempt = (method, path, operation) => {
  const fields = (operation.parameters ?? []).map((parameter) => ({ parameter, input: make("input", {}) }))
  const media = operation.requestBody?.content["application/json"]
  const body = media ? make("textarea", { rows: 6, value: JSON.stringify(media.example ?? {}, null, 2) }) : undefined
  const answer = make("div", {})
  const send = make("button", { textContent: "Send" })
  send.addEventListener("click", async () => {
    const headers = {}
    const query = new URLSearchParams()
    let target = path
    if (token.value !== "") headers.authorization = "Bearer " + token.value
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") target = target.replace("{" + parameter.name + "}", encodeURIComponent(input.value))
      else if (input.value !== "" && parameter.in === "header") headers[parameter.name] = input.value
      else if (input.value !== "") query.set(parameter.name, input.value)
    }
    if (body) headers["content-type"] = "application/json"
    const url = target + (query.size > 0 ? "?" + query : "")
    try {
      const response = await fetch(url, { method, headers, body: body?.value })
      const text = await response.text()
      let value = text
      try { value = JSON.parse(text) } catch {}
      const seen = ["etag", "location", "link", "x-request-id"].filter((name) => response.headers.has(name))
      answer.replaceChildren(
        show([response.status, ...seen.map((name) => name + ": " + response.headers.get(name))].join("\\n")),
        show(value)
      )
    } catch (error) {
      answer.replaceChildren(show(String(error)))
    }
  })
  return [
    ...fields.map(({ parameter, input }) =>
      make("label", {}, make("code", { textContent: parameter.name + (parameter.required ? " *" : "") }), " ",
        make("span", { className: "muted", textContent: parameter.in + ". " + (parameter.description ?? "") }), input)),
    ...(body ? [make("label", {}, "body", body)] : []),
    send, answer
  ]
}
const render = (api, method, path, operation) => {
  const box = make("details", {},
    make("summary", {}, make("span", { className: "m", textContent: method.toUpperCase() }),
      make("code", { textContent: path }), " ", make("span", { className: "muted", textContent: operation.summary })))
  box.addEventListener("toggle", () => box.append(
    make("p", { textContent: operation.description }),
    lazy("Try it", () => attempt(method.toUpperCase(), path, operation)),
    ...(operation.requestBody
      ? [lazy("Body", () => [show(resolve(api, operation.requestBody.content["application/json"].schema))])]
      : []),
    ...Object.entries(operation.responses).map(([status, response]) =>
      lazy(status + "  " + response.description, () => [
        ...Object.values(response.content ?? {}).map(({ schema }) => show(resolve(api, schema))),
        ...Object.entries(response.links ?? {}).map(([name, { description }]) =>
          make("p", {}, make("code", { textContent: name }), " ", description))
      ]))
  ), { once: true })
  return box
}
const response = await fetch("/openapi.json")
const api = await response.json()
document.title = api.info.title
document.body.replaceChildren(
  make("h1", { textContent: api.info.title + " " + api.info.version }),
  make("p", { textContent: api.info.description ?? "" }),
  make("p", {}, make("a", { href: "/openapi.json", textContent: "openapi.json" })),
  make("label", {}, "Credentials", token),
  ...api.tags.flatMap((tag) => [
    make("h2", { textContent: tag.name }),
    make("p", { className: "muted", textContent: tag.description }),
    ...Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => operation.tags.includes(tag.name))
        .map(([method, operation]) => render(api, method, path, operation)))
  ])
)
`

const source = (text: string) => `'sha256-${hash("sha256", text, "base64")}'`

/** What the page may do: run its script, apply its style, and call this server. */
export const policy = [
  "default-src 'none'",
  `script-src ${source(script)}`,
  `style-src ${source(style)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

/** The page. */
export const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>API</title>
<style>${style}</style></head>
<body><p>This page needs JavaScript; the description itself is at <a href="/openapi.json">/openapi.json</a>.</p>
<script type="module">${script}</script></body></html>
`
