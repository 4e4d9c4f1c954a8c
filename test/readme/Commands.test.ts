/** The command lines of the README and the guides are such that `tenon` knows each command and flag of them. */
import * as CommandLine from "@tenon/cli/CommandLine"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

/** What `--help` says of a command. */
const helpOf = (path: ReadonlyArray<string>): Promise<HelpDoc> => {
  const docs: Array<HelpDoc> = []
  const present = (event: CliOutput.Presenter.Event) =>
    Effect.sync(() => void (event._tag === "Help" && docs.push(event.helpDoc)))
  return CommandLine.perform([...path, "--help"]).pipe(
    Effect.provide([NodeServices.layer, FetchHttpClient.layer, CliOutput.layerPresenter({ present })]),
    Effect.runPromise,
    (done) =>
      done.then(() => {
        const [doc] = docs
        if (doc === undefined) throw new Error(`There is no help on ${path.join(" ")}`)
        return doc
      })
  )
}

interface Node {
  readonly doc: HelpDoc
  readonly flags: ReadonlyMap<string, FlagDoc>
  readonly commands: ReadonlyMap<string, Node>
}

const nodeOf = async (path: ReadonlyArray<string>): Promise<Node> => {
  const doc = await helpOf(path)
  const names = (doc.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => name))
  const flags = [...doc.flags, ...(doc.inheritedFlags ?? []), ...(doc.globalFlags ?? [])]
  const commands: Array<readonly [string, Node]> = []
  for (const name of names) commands.push([name, await nodeOf([...path, name])])
  return { doc, commands: new Map(commands), flags: new Map(flags.map((flag) => [flag.name, flag])) }
}

const tenon = await nodeOf([])

/** What is wrong with the words after `tenon`. */
const complaint = (line: string): string | undefined => {
  const words = Array.from(line.matchAll(/'[^']*'|"[^"]*"|\S+/g), ([word]) => word)
  let node = tenon
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ""
    if (["#", ">", "|", "…"].includes(word)) return undefined
    if (word.startsWith("--")) {
      const flag = node.flags.get(word.slice(2))
      if (flag === undefined) return `there is no ${word}`
      if (flag.type !== "boolean") index++
    } else if (node.commands.size > 0) {
      const next = node.commands.get(word)
      if (next === undefined) return `there is no ${word}`
      node = next
    }
  }
  return undefined
}

const complaints = (lines: ReadonlyArray<string>) =>
  lines.flatMap((line) => {
    const wrong = complaint(line)
    return wrong === undefined ? [] : [`tenon ${line}: ${wrong}`]
  })

/** Each of the commands that a row names as `migrate generate \| up`. */
const alternatives = (line: string): ReadonlyArray<string> => {
  const [first = "", ...others] = line.split(/ \\\| /)
  const path = first.split(" ").slice(0, -1).join(" ")
  return [first, ...others.filter((each) => each !== "…").map((each) => `${path} ${each}`)]
}

const [, section = ""] = /^## The command line\n(.*?)^### /ms.exec(read("README.md")) ?? []
const rows = Array.from(section.matchAll(/^\| `tenon (.*?)` \|/gm), ([, line = ""]) => line)

const texts = ["README.md", "docs/architecture.md", ...globSync("docs/{guide,decisions}/*.md", { cwd: root })].map(read)
const shells = texts.flatMap((text) =>
  Array.from(text.matchAll(/^```sh\n(.*?)^```$/gms), ([, block = ""]) => block.split("\n")).flat()
)
const inShells = shells.filter((line) => line.startsWith("npx tenon ")).map((line) => line.slice("npx tenon ".length))
const inWords = texts.flatMap((text) => Array.from(text.matchAll(/`tenon ([^`]*)`/g), ([, line = ""]) => line))

describe("the command lines that the README and the guides show", () => {
  it("are found at all", () => {
    assert.includeMembers(inShells, ["agent questions", "slip list"])
    assert.isAtLeast(rows.length, 8)
  })

  it("begin with a command that there is, and have flags that it takes", () => {
    const shown = [...inShells, ...inWords.flatMap(alternatives)]
    assert.deepStrictEqual(complaints(shown), [])
  })

  it("would not pass if they were wrong", () => {
    assert.lengthOf(complaints(["agnet post", "agent pots", "agent post --agnet x", "agent --thread x runs"]), 4)
    assert.lengthOf(complaints(["agent post --agent weather 'x --y'", "--config x agent runs --limit 3"]), 0)
  })

  it("name every command of the first level in the README's table", () => {
    const named = new Set(rows.map((line) => line.split(" ")[0]))
    assert.deepStrictEqual([...named].toSorted(), [...tenon.commands.keys()].toSorted())
  })

  it("have the flags that all commands take", () => {
    const [, words = ""] = /^All take (.*?)\./m.exec(section) ?? []
    const flags = Array.from(words.matchAll(/`--(\w+)/g), ([, name = ""]) => name)
    assert.isAtLeast(flags.length, 3)
    const lacking = (path: string, node: Node): ReadonlyArray<string> => [
      ...flags.filter((flag) => !node.flags.has(flag)).map((flag) => `${path} --${flag}`),
      ...[...node.commands].flatMap(([name, next]) => lacking(`${path} ${name}`, next))
    ]
    assert.deepStrictEqual(lacking("tenon", tenon), [])
  })

  it("are so in the help's own examples", () => {
    const examples = (node: Node): ReadonlyArray<string> => [
      ...(node.doc.examples ?? []).map(({ command }) => command.replace(/^tenon /, "")),
      ...[...node.commands.values()].flatMap(examples)
    ]
    assert.isNotEmpty(examples(tenon))
    assert.deepStrictEqual(complaints(examples(tenon)), [])
  })
})
