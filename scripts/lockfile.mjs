// Keeps package-lock.json whole, so that `npm ci` works from any registry and on any platform.
//
// npm leaves an optional dependency out of the lockfile when the registry at hand does not have it (a mirror that
// carries one platform's binaries, for one), and `npm ci` then refuses the lockfile everywhere. `--fix` adds the
// missing entries, without an integrity hash since nobody has seen the file; without it, the faults are listed.
// Plain JavaScript: it must run before anything is installed.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const path = fileURLToPath(new URL("../package-lock.json", import.meta.url))
const systems = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "aix",
  "win32",
  "win"
]
const processors = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "loong64", "mips64el", "wasm32"]

const platformOf = (name) => {
  const words = name.split("/").pop().split("-")
  const os = systems.filter((system) => words.includes(system)).map((system) => (system === "win" ? "win32" : system))
  const cpu = processors.filter((processor) => words.includes(processor))
  const libc = words.includes("gnu") ? ["glibc"] : words.includes("musl") ? ["musl"] : []
  return { ...(cpu.length && { cpu }), ...(os.length && { os }), ...(libc.length && { libc }) }
}

/** Where node's resolution finds `name` from the package at `from`, or undefined. */
const resolve = (packages, from, name) => {
  for (let at = from; ; at = at.slice(0, Math.max(at.lastIndexOf("/node_modules/"), 0))) {
    const found = `${at ? `${at}/` : ""}node_modules/${name}`
    if (packages[found]) return found
    if (!at) return undefined
    if (!at.includes("/node_modules/")) at = ""
  }
}

const faultsOf = (lock, fix) => {
  const faults = []
  for (const [from, entry] of Object.entries(lock.packages)) {
    if (entry.resolved && !entry.link) faults.push(`${from} names the address it was downloaded from`)
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      if (resolve(lock.packages, from, name)) continue
      faults.push(`${name}, an optional dependency of ${from || "the root"}, has no entry`)
      if (!fix || !/^\d+\.\d+\.\d+/.test(range)) continue
      const { cpu, os, libc } = platformOf(name)
      if (!os) continue
      lock.packages[`node_modules/${name}`] = {
        version: range,
        ...(cpu && { cpu }),
        ...(entry.dev && { dev: true }),
        ...(libc && { libc }),
        optional: true,
        os
      }
    }
  }
  return faults
}

const fix = process.argv.includes("--fix")
const lock = JSON.parse(readFileSync(path, "utf8"))
let faults = faultsOf(lock, fix)
if (fix && faults.length > 0) {
  const [root, ...rest] = Object.entries(lock.packages)
  lock.packages = Object.fromEntries([root, ...rest.toSorted(([a], [b]) => (a < b ? -1 : 1))])
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  faults = faultsOf(lock, false)
}
for (const fault of faults) console.error(`package-lock.json: ${fault}`)
if (faults.length > 0 && !fix) console.error("Run `node scripts/lockfile.mjs --fix`.")
process.exitCode = faults.length > 0 ? 1 : 0
