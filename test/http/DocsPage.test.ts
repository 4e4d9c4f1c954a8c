/** Runs the script of the documentation page against a document that only keeps what is put into it. */
import * as DocsPage from "@tenon/http/DocsPage"
import * as OpenApi from "@tenon/http/OpenApi"
import { registry } from "@tenon/examples/app/App"
import { assert, it } from "@effect/vitest"

class Node {
  textContent = ""
  children: Array<Node | string> = []
  readonly listeners: Array<() => void> = []
  value = ""
  readonly tag: string
  constructor(tag: string) {
    this.tag = tag
  }
  append(...children: ReadonlyArray<Node | string>): void {
    this.children.push(...children)
  }
  replaceChildren(...children: Array<Node | string>): void {
    this.children = children
  }
  addEventListener(_: string, listener: () => void): void {
    this.listeners.push(listener)
  }
}

const within = (node: Node | string): ReadonlyArray<Node> =>
  typeof node === "string" ? [] : [node, ...node.children.flatMap(within)]
const textOf = (node: Node | string): string =>
  typeof node === "string" ? node : node.textContent + node.children.map(textOf).join("")

/** The page as it is once its script has run. `answer` is what the server answers to anything but the description. */
const opened = async (api: unknown, answer: (url: string, request: RequestInit) => unknown) => {
  const [, script = ""] = /<script type="module">(.*?)<\/script>/s.exec(DocsPage.html) ?? []
  const body = new Node("body")
  const document = { title: "", body, createElement: (tag: string) => new Node(tag) }
  const fetch = (url: string, request: RequestInit) =>
    Promise.resolve(Response.json(url === "/openapi.json" ? api : answer(url, request)))
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
  await new AsyncFunction("document", "fetch", script)(document, fetch)
  return document
}

it("the documentation page shows every operation, with all that belongs to it, and sends requests", async () => {
  const api: any = OpenApi.make(registry)
  const asked: Array<readonly [string, unknown]> = []
  const page = await opened(api, (url, { body, headers, method }) => {
    asked.push([`${method} ${url}`, { body: JSON.parse(String(body)), headers }])
    return { sent: "and answered" }
  })
  assert.strictEqual(page.title, api.info.title)
  const operations = () => within(page.body).filter(({ listeners, tag }) => tag === "details" && listeners.length > 0)
  const shown = operations().map((each) => textOf(each.children[0] ?? ""))
  for (const [path, methods] of Object.entries<object>(api.paths)) {
    for (const method of Object.keys(methods))
      assert.lengthOf(
        shown.filter((each) => each.startsWith(`${method.toUpperCase()}${path} `)),
        1,
        `${method} ${path}`
      )
  }
  // Each is opened, and then what is in it.
  const isOpen = new Set<Node>()
  for (let round = 0; round < 2; round++) {
    for (const each of operations().filter((one) => !isOpen.has(one))) {
      isOpen.add(each)
      for (const open of each.listeners) open()
    }
  }
  assert.include(textOf(page.body), "AlreadyInactive")
  const create = operations().find((each) => textOf(each).startsWith("POST/api/v1/widgets "))
  for (const button of within(create ?? "").filter(({ tag }) => tag === "button"))
    for (const click of button.listeners) click()
  assert.deepInclude(asked[0]?.[1], { body: { name: "example name" } })
  assert.strictEqual(asked[0]?.[0], "POST /api/v1/widgets")
})
