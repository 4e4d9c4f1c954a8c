/**
 * No file of the project names the machine it was written on, or the registry its packages came from; and no comment is
 * wider than the code, which the formatter leaves as it is.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const forbidden: ReadonlyArray<readonly [RegExp, string]> = [
  [/(?<![\w.@:~/-])\/(?:home|Users|root|work)\/[\w.-]+/, "an absolute path of one machine"],
  [/[A-Z]:\\Users\\/, "an absolute path of one machine"],
  [/"resolved":\s*"(?:https?|git\+)/, "the address a package was downloaded from"],
  [/^\s*(?:@[\w-]+:)?registry\s*=/m, "a package registry"],
  [/https?:\/\/[\w.-]*(?:registry|npmmirror|verdaccio|artifactory|nexus)[\w.-]*(?::\d+)?\//i, "a package registry"],
  [/^(?:<{7}|>{7}) /m, "a merge conflict"]
]
const source = /\.(?:ts|mts|js|mjs)$/
const wideComment = /^(?=[ \t]*(?:\/[/*]|\* )).{121,}$/gm
const binary = /\.(?:png|jpg|jpeg|gif|ico|woff2?|gz|zip|wasm|pdf)$/

const placeOf = (path: string, text: string, { index }: RegExpExecArray) =>
  `${path}:${text.slice(0, index).split("\n").length}`

const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8"
})
const files = listed.split("\0").filter((path) => path && !binary.test(path) && path !== "scripts/text.ts")
let faults = 0
for (const path of files) {
  if (!existsSync(join(root, path))) continue
  const text = readFileSync(join(root, path), "utf8")
  for (const [pattern, what] of forbidden) {
    const match = pattern.exec(text)
    if (!match) continue
    faults++
    console.error(`${placeOf(path, text, match)}: names ${what}: ${match[0].trim()}`)
  }
  for (const match of source.test(path) ? text.matchAll(wideComment) : []) {
    faults++
    console.error(`${placeOf(path, text, match)}: a comment of more than 120 characters in a line`)
  }
}
const npmrc = readFileSync(join(root, ".npmrc"), "utf8")
if (!/^omit-lockfile-registry-resolved=true$/m.test(npmrc)) {
  faults++
  console.error(".npmrc: omit-lockfile-registry-resolved=true is missing")
}
console.log(`${files.length} files, ${faults} faults`)
process.exitCode = faults > 0 ? 1 : 0
