/** The guide to resources is one module that compiles as it stands, names all there is, and does what it says. */
import { Forbidden, AlreadyExists, InvalidTransition } from "@tenon/core/Failure"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Relation from "@tenon/core/Relation"
import * as Repository from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import * as RestEndpoint from "@tenon/http/RestEndpoint"
import { purityProof } from "@tenon/testing/PurityProof"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import * as TenonProcess from "../support/TenonProcess.ts"

const root = resolve(import.meta.dirname, "../..")
const directory = join(root, ".tenon", "resources-guide")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const guide = read("docs/guide/resources.md")

rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
const blocks = Array.from(guide.matchAll(/^```ts\n(.*?)^```$/gms), ([, text = ""]) => text)
writeFileSync(join(directory, "Invoices.ts"), blocks.join("\n"))
const emitNothing = { composite: false, incremental: false, declaration: false, emitDeclarationOnly: false }
writeFileSync(
  join(directory, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    compilerOptions: { ...emitNothing, noEmit: true },
    include: ["."]
  })
)
const { AlreadySent, Customer, Invoice, registry, workflows } = await import(join(directory, "Invoices.ts"))

describe("the guide to resources", { timeout: 60_000 }, () => {
  it.live("compiles", () =>
    Effect.gen(function* () {
      const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
      const checked = yield* TenonProcess.node([compiler, "-p", directory, "--pretty", "false"])
      assert.deepStrictEqual(yield* checked.ended, { code: 0, stdout: "", stderr: "" })
    }).pipe(Effect.scoped)
  )

  it("names everything that a domain is made of", () => {
    const inside = new Set(["Identifier", "decideEarly", "decideFully", "defaultFor", "defaultLimit", "describe"])
    for (const each of ["isHiddenFrom", "isOutcome", "limit", "meta", "rolesOf"]) inside.add(each)
    const names = [Field, Load, Outcome, Policy, Relation].flatMap((each) => Object.keys(each))
    const [whole = ""] = /^export interface Options<F.*?^}/ms.exec(read("packages/core/src/Resource.ts")) ?? []
    const declared = Array.from(whole.matchAll(/^ {2}readonly (\w+)\?:/gm), ([, name = ""]) => name)
    assert.isAtLeast(declared.length, 12)
    const all = [...names.filter((each) => !inside.has(each)), ...declared]
    assert.deepStrictEqual(
      all.filter((each) => !new RegExp(`\\b${each}\\b`).test(guide)),
      []
    )
  })

  it("says where actions are over HTTP", () => {
    const at = new Map(
      RestEndpoint.all(registry).map(({ action, method, path, resource }) => [
        `${resource.name}.${action?.name}`,
        `${method} ${path.replace(RestEndpoint.base, "")}`
      ])
    )
    const said = (kind: string) => new RegExp(`^\\| \`${kind}\` \\|[^|]*\\| \`(.*?)\``, "m").exec(guide)?.[1]
    const kinds = { create: "create", update: "amend", action: "send", read: "due", destroy: "remove" }
    for (const [kind, name] of Object.entries(kinds)) {
      assert.strictEqual(said(kind)?.replace("name", name), at.get(`Invoice.${name}`))
    }
  })

  it.layer(Testing.layer(registry, { workflows }), { excludeTestServices: true })("its domain", (it) => {
    it.effect("does what it says", () =>
      Effect.gen(function* () {
        const { get } = yield* Repository.Repository
        const customer = yield* Tenon.invoke(Customer.actions.create, { email: "ada@example.com" })
        const again = yield* Effect.flip(Tenon.invoke(Customer.actions.create, { email: "ada@example.com" }))
        assert.instanceOf(again, AlreadyExists)
        assert.instanceOf(yield* Effect.flip(Tenon.invoke(Customer.actions.book, customer.id, { cents: 1 })), Forbidden)
        const { id } = yield* Tenon.invoke(Invoice.actions.create, { customerId: customer.id, cents: 100 })
        assert.instanceOf(yield* Effect.flip(Tenon.invoke(Invoice.actions.pay, id)), InvalidTransition)
        assert.strictEqual((yield* Tenon.invoke(Invoice.actions.amend, id, { cents: 200 })).revision, 2)
        assert.deepStrictEqual(yield* Tenon.invoke(Invoice.actions.send, id), { to: "ada@example.com" })
        assert.instanceOf(yield* Effect.flip(Tenon.invoke(Invoice.actions.amend, id, { cents: 1 })), AlreadySent)
        assert.isTrue(yield* Tenon.invoke(Invoice.actions.due, id))
        const owed = (cents: number) =>
          Effect.repeat(Effect.delay(get(Customer, customer.id), "10 millis"), {
            until: (row) => row.owed === cents,
            times: 300
          })
        assert.strictEqual((yield* owed(200)).owed, 200)
        yield* Tenon.invoke(Invoice.actions.pay, id)
        assert.strictEqual((yield* owed(0)).owed, 0)
      })
    )
  })
})

purityProof("the guide to resources", { registry })
