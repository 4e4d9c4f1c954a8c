/**
 * Modules and exports of packages that nobody names: all of them are public, so nothing else tells whether they are of
 * use. An export counts as used where another file of a package, a test, a script or a document says its name, or its
 * own file says it once more.
 */
import { readFileSync } from "node:fs"
import { execFileSync } from "node:child_process"
import { root } from "./run.ts"

const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts", "*.mjs", "*.md"], { cwd: root })
  .toString()
  .split("\n")
  .filter((name) => name !== "" && !/^packages\/[^/]+\/dist\//.test(name))

const words = (text: string) => new Set(text.match(/[A-Za-z_$][\w$]*/g))
const texts = new Map(
  files.flatMap((name) => {
    try {
      return [[name, readFileSync(`${root}/${name}`, "utf8")] as const]
    } catch {
      // Deleted, and not committed yet.
      return []
    }
  })
)

/** In how many files a word stands. */
const spread = new Map<string, number>()
for (const text of texts.values()) for (const word of words(text)) spread.set(word, (spread.get(word) ?? 0) + 1)

const declared = /^export (?:declare )?(?:abstract )?(?:const|function\*?|class|async function) ([\w$]+)/gm
const timesIn = (text: string, word: string) =>
  text.split(new RegExp(`(?<![\\w$])${word.replaceAll("$", "\\$")}(?![\\w$])`)).length - 1

const unused = [...texts].flatMap(([name, text]) =>
  /^packages\/[^/]+\/src\//.test(name)
    ? Array.from(text.matchAll(declared), ([, word = ""]) => word)
        .filter((word) => spread.get(word) === 1 && timesIn(text, word) === 1)
        .map((word) => `${name}: ${word} is exported, and nothing names it: use it, test it, or remove it`)
    : []
)
/** How a module is named where it is imported or started: in its package, from others, in a document. */
const namesOf = (path: string): ReadonlyArray<string> => {
  const [, place = "", stem = ""] = /^packages\/([^/]+)\/src\/(.+)\.ts$/.exec(path) ?? []
  const file = `${stem.split("/").at(-1)}.ts`
  return [`/${file}`, `"${file}"`, `@tenon/${place}/${stem}`]
}
const unnamed = [...texts.keys()]
  .filter((path) => /^packages\/[^/]+\/src\/.+\.ts$/.test(path))
  .filter((path) => {
    const names = namesOf(path)
    return ![...texts].some(([other, text]) => other !== path && names.some((name) => text.includes(name)))
  })
  .map((path) => `${path}: nothing imports it: use it, test it, or remove it`)

const all = [...unnamed, ...unused]
for (const each of all) console.log(each)
process.exitCode = all.length === 0 ? 0 : 1
