/** The settings that the README lists are those that the code reads, found by parsing it. */
import { assert, describe, it } from "@effect/vitest"
import { parseSync } from "oxc-parser"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

/** Names without an underscore, as signals have none either. */
const short = new Set(["HOST", "PORT", "RUNTIME", "TRANSPORT"])

/** A name of an environment variable. */
const isSetting = (value: unknown): value is string =>
  typeof value === "string" && (/^[A-Z]+(_[A-Z]+)+$/.test(value) || short.has(value))

/** What a file gives to calls such as `Config.String("PORT")`. */
const settingsIn = (path: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return
    if ("type" in node && node.type === "CallExpression" && "arguments" in node && Array.isArray(node.arguments)) {
      for (const { value } of node.arguments) if (isSetting(value)) found.push(value)
    }
    for (const each of Object.values(node)) walk(each)
  }
  walk(parseSync(path, read(path)).program)
  return found
}

const libraries = "{cli,core,embedded,http,messaging,restate,routing-slip,sql}"
const inCode = new Set(globSync(`packages/${libraries}/src/**/*.ts`, { cwd: root }).flatMap(settingsIn))

const [, section = ""] = /^### Settings\n(.*?)^## /ms.exec(read("README.md")) ?? []
const rows = Array.from(section.matchAll(/^\| (`.*?) \|(.*)\|(.*)\|$/gm))
const inReadme = rows.flatMap(([, names = ""]) => Array.from(names.matchAll(/`(\w+)`/g), ([, name = ""]) => name))

describe("the README's settings", () => {
  it("are found in the code at all", () => {
    assert.includeMembers([...inCode], ["DATABASE_URL", "RESTATE_ENDPOINT_HOST", "PORT", "LOG_FORMAT"])
  })

  it("are those that the code reads, each once", () => {
    assert.deepStrictEqual(inReadme.toSorted(), [...inCode].toSorted())
  })

  it("each say what they are for, and what is there without them", () => {
    for (const [row, , what, otherwise] of rows) {
      assert.isNotEmpty(what?.trim(), row)
      assert.isNotEmpty(otherwise?.trim(), row)
    }
  })
})
