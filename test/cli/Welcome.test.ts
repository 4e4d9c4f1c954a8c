import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Welcome from "@tenon/cli/Welcome"
import { registry } from "@tenon/examples/app/App"
import { assert, it } from "@effect/vitest"

const key = (tenant: string, role: string) => `tenon_${tenant}_${role}`
const keysOf = (tenant: string) => ({ admin: key(tenant, "admin"), viewer: key(tenant, "viewer") })
const url = "http://localhost:3000"

const welcome = Welcome.text({
  application: TenonConfig.define({ directory: ".", registry, tryOut: ["npx tenon agent questions"] }),
  url,
  keys: { acme: keysOf("acme"), globex: keysOf("globex") },
  adminUrl: "http://localhost:9070"
})

/** A request as `curl` would send it. */
const parsed = (line: string) => ({
  url: /^ {2}curl -s (\S+)/.exec(line)?.[1],
  key: /-H 'authorization: Bearer (\S+)'/.exec(line)?.[1],
  body: /-d '(.*?)'/.exec(line)?.[1]
})

it("tenon dev says what to open, and gives each tenant's keys", () => {
  for (const each of [`${url}/docs`, `${url}/metrics`, "http://localhost:9070/ui", "npx tenon agent questions"]) {
    assert.include(welcome, each)
  }
  for (const tenant of ["acme", "globex"]) {
    for (const role of ["admin", "viewer"])
      assert.match(welcome, new RegExp(`${tenant} +${role} +${key(tenant, role)}\n`))
  }
})

it("tenon dev gives three requests to try: a create, a list, and the other tenant's list", () => {
  const requests = welcome.split("\n").filter((line) => line.includes("curl"))
  const widgets = `${url}/api/v1/widgets`
  assert.deepStrictEqual(requests.map(parsed), [
    { url: widgets, key: key("acme", "admin"), body: '{"name":"example name"}' },
    { url: widgets, key: key("acme", "admin"), body: undefined },
    { url: widgets, key: key("globex", "admin"), body: undefined }
  ])
})
