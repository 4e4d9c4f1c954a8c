// node scripts/bootstrap.mjs <script> [arguments]: installs what is missing, then runs the script under Node 24.
//
// Plain JavaScript with no dependency, so that any Node from 18 on can run it on a fresh clone. Everything it says
// goes to stderr: a script's `--json` on stdout stays clean.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { constants } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const modules = join(root, "node_modules")
const local = join(root, ".tenon")
const majorNeeded = 24

const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}

/** Compares what npm wrote down when it installed with the lockfile: true of a tree that `npm ci` would not change. */
const isInstalled = () => {
  const installed = readJson(join(modules, ".package-lock.json"))?.packages
  if (!installed) return false
  const wanted = readJson(join(root, "package-lock.json")).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith("node_modules/")) return true
    const found = installed[path]
    return found ? found.version === entry.version && existsSync(join(root, path)) : entry.optional || entry.peer
  })
}

/** The places in node_modules that the lockfile fills on this platform. */
const wantedHere = () => {
  const libc = process.report?.getReport().header.glibcVersionRuntime ? "glibc" : "musl"
  return Object.entries(readJson(join(root, "package-lock.json"))?.packages ?? {})
    .filter(
      ([path, { cpu, libc: wanted, os }]) =>
        path.startsWith("node_modules/") &&
        (os?.includes(process.platform) ?? true) &&
        (cpu?.includes(process.arch) ?? true) &&
        (wanted?.includes(libc) ?? true)
    )
    .map(([path]) => join(root, path))
}

/** npm without this tree's own Node in front of it: `npm ci` removes that Node while it runs. */
const runNpm = (args, what) =>
  new Promise((done) => {
    const path = (process.env.PATH ?? "")
      .split(delimiter)
      .filter((entry) => !entry.includes(join("node_modules", ".bin")))
      .join(delimiter)
    const env = { ...process.env, PATH: path, npm_config_loglevel: "error", npm_config_progress: "false", NODE_ENV: "" }
    const places = wantedHere()
    const total = places.length
    const unpacked = () => places.filter((place) => existsSync(join(place, "package.json"))).length
    const started = Date.now()
    const seconds = () => Math.round((Date.now() - started) / 1000)
    console.error(`${what} …`)
    const npm = spawn("npm", args, { cwd: root, env, stdio: ["ignore", 2, 2], shell: process.platform === "win32" })
    const line = () => `  ${seconds()} s: ${unpacked()} of ${total} packages unpacked`
    const show = process.stderr.isTTY
      ? () => process.stderr.write(`\r${line()}\u001b[K`)
      : () => process.stderr.write(`${line()}\n`)
    const beat = setInterval(show, process.stderr.isTTY ? 500 : 5000)
    const finish = (code) => {
      clearInterval(beat)
      if (process.stderr.isTTY) process.stderr.write("\r\u001b[K")
      console.error(code === 0 ? `  done in ${seconds()} s` : `  npm failed with exit code ${code}`)
      done(code === 0)
    }
    npm.on("error", (error) => {
      console.error(`  npm did not start: ${error.message}`)
      finish(127)
    })
    npm.on("exit", (code, signal) => finish(code ?? 128 + constants.signals[signal]))
  })

const isNode24 = (path) => {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" })
  return Number(/^v(\d+)\./.exec(stdout ?? "")?.[1]) >= majorNeeded
}

const findNode = () => {
  if (Number(process.versions.node.split(".")[0]) >= majorNeeded) return process.execPath
  const name = process.platform === "win32" ? "node.exe" : "node"
  const platform = process.platform === "win32" ? "win" : process.platform
  return [
    join(modules, `node-${platform}-${process.arch}`, "bin", name),
    join(local, "node", "node_modules", "node", "bin", name)
  ].find((path) => existsSync(path) && isNode24(path))
}

/** The lockfile brings Node for the common platforms; for the others the npm package `node` knows where to look. */
const installNode = async () => {
  const prefix = join(local, "node")
  mkdirSync(prefix, { recursive: true })
  await runNpm(["install", "--prefix", prefix, "--no-save", `node@${majorNeeded}`], `Installing Node ${majorNeeded}`)
  return findNode()
}

const run = (node, [script, ...args]) => {
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(local, "compile-cache"),
    PATH: [dirname(node), join(modules, ".bin"), process.env.PATH ?? ""].join(delimiter)
  }
  const child = spawn(node, [join(root, script), ...args], { stdio: "inherit", env })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal sends Ctrl-C to the whole group: the child has it already.
    process.on(signal, () => (signal === "SIGINT" && process.stdin.isTTY) || child.kill(signal))
  }
  // npm hands a signal to the shell between us and it, and that shell dies without passing it on.
  const parent = process.ppid
  const orphaned = () => {
    if (process.ppid === parent) return
    clearInterval(watch)
    child.kill("SIGTERM")
  }
  const watch = process.env.npm_lifecycle_event ? setInterval(orphaned, 250) : undefined
  child.on("error", (error) => {
    console.error(`Could not run ${node}: ${error.message}`)
    process.exit(127)
  })
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

const install = () =>
  runNpm(["ci", "--include=dev", "--include=optional"], "Installing dependencies (once, about half a minute)")

if (!isInstalled() && !(await install())) process.exit(1)
const node = findNode() ?? (await installNode())
if (!node) {
  console.error(`Node ${majorNeeded} is needed, and npm could not bring it for ${process.platform} ${process.arch}.`)
  console.error(`Install Node ${majorNeeded} or newer, put it first on PATH and try again.`)
  process.exit(1)
}
run(node, process.argv.slice(2))
