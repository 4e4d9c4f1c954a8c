/**
 * The import arrows of docs/architecture.md, checked on what the files really import (types count), and runtime
 * import cycles between files (`import type` does not count: it is erased).
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { isBuiltin } from "node:module"
import { parseSync } from "oxc-parser"

const root = resolve(import.meta.dirname, "..")

/** Who may import whom. A package may always import itself; those of `outermost` may import every package. */
const arrows: Record<string, ReadonlyArray<string>> = {
  core: [],
  sql: ["core"],
  embedded: [],
  messaging: ["core"],
  restate: ["core"],
  http: ["core"],
  agents: ["core"],
  "routing-slip": ["core", "messaging"]
}
const outermost = ["cli", "testing", "bench", "examples"]
/** Third-party packages a library may import, where the arrows say so; elsewhere its package.json decides. */
const thirdParty: Record<string, ReadonlyArray<string>> = { core: ["effect"] }

interface Import {
  readonly specifier: string
  readonly line: number
  readonly typeOnly: boolean
}

const importsOf = (path: string): ReadonlyArray<Import> => {
  const source = readFileSync(path, "utf8")
  const { module, errors } = parseSync(path, source)
  if (errors.length > 0) throw new Error(`${relative(root, path)}: ${errors[0]?.message}`)
  const lineAt = (offset: number) => source.slice(0, offset).split("\n").length
  const found: Array<Import> = []
  for (const { moduleRequest, entries, start } of module.staticImports) {
    const typeOnly = entries.length > 0 && entries.every((entry) => entry.isType)
    found.push({ specifier: moduleRequest.value, line: lineAt(start), typeOnly })
  }
  for (const { entries, start } of module.staticExports) {
    const request = entries.find((entry) => entry.moduleRequest)?.moduleRequest
    if (request) found.push({ specifier: request.value, line: lineAt(start), typeOnly: entries.every((e) => e.isType) })
  }
  for (const { moduleRequest, start } of module.dynamicImports) {
    const literal = /^["'`]([^"'`$]+)["'`]$/.exec(source.slice(moduleRequest.start, moduleRequest.end))?.[1]
    if (literal) found.push({ specifier: literal, line: lineAt(start), typeOnly: false })
  }
  return found
}

const files = globSync("packages/*/src/**/*.ts", { cwd: root }).map((path) => join(root, path))
const faults: Array<string> = []
const graph = new Map<string, Array<string>>()

for (const file of files) {
  const where = relative(root, file)
  const owner = where.split("/")[1] ?? ""
  const manifest = JSON.parse(readFileSync(join(root, "packages", owner, "package.json"), "utf8"))
  const declared = Object.keys({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies
  })
  const runtime: Array<string> = []
  graph.set(file, runtime)
  if (!(owner in arrows) && !outermost.includes(owner)) {
    faults.push(`${where}: package ${owner} has no place in the arrows; add it to scripts/arrows.ts`)
  }
  for (const { specifier, line, typeOnly } of importsOf(file)) {
    const fault = (text: string) => faults.push(`${where}:${line}: ${text}`)
    if (specifier.startsWith(".")) {
      const target = resolve(dirname(file), specifier)
      if (relative(join(root, "packages", owner, "src"), target).startsWith("..")) {
        fault(`"${specifier}" leaves the package; import @tenon/<package>/<Module>`)
      }
      if (!typeOnly) runtime.push(target)
      continue
    }
    if (isBuiltin(specifier)) {
      if (owner === "core") fault(`core may not import ${specifier}: it runs anywhere Effect runs`)
      continue
    }
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/")
    const tenon = /^@tenon\/([^/]+)\/(.+)$/.exec(specifier)
    if (tenon) {
      const [, target = "", module] = tenon
      if (!typeOnly) runtime.push(join(root, "packages", target, "src", `${module}.ts`))
      if (target !== owner && !outermost.includes(owner) && !arrows[owner]?.includes(target)) {
        fault(`${owner} may not import ${target} (allowed: ${arrows[owner]?.join(", ") || "no other package"})`)
      }
    }
    if (thirdParty[owner] && !tenon && !thirdParty[owner].includes(name)) {
      fault(`${owner} may import only ${thirdParty[owner].join(", ")}, not ${name}`)
    } else if (name !== manifest.name && !declared.includes(name)) {
      fault(`${name} is not among the dependencies of packages/${owner}/package.json`)
    }
  }
}

/** Every import cycle once, found by depth-first search. */
const cycles = () => {
  const state = new Map<string, "open" | "done">()
  const path: Array<string> = []
  const found: Array<string> = []
  const visit = (file: string): void => {
    state.set(file, "open")
    path.push(file)
    for (const next of graph.get(file) ?? []) {
      if (state.get(next) === "open") {
        const cycle = [...path.slice(path.indexOf(next)), next]
        found.push(`import cycle: ${cycle.map((each) => relative(root, each)).join(" -> ")}`)
      } else if (!state.has(next)) visit(next)
    }
    path.pop()
    state.set(file, "done")
  }
  for (const file of files) if (!state.has(file)) visit(file)
  return found
}

faults.push(...cycles())
for (const fault of faults) console.error(fault)
console.log(`${files.length} files, ${faults.length} faults`)
process.exitCode = faults.length > 0 ? 1 : 0
