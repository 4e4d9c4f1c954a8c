/**
 * Opens a session: address, TLS, authentication, settings, and a look at the
 * role it will work under. Everything within one deadline.
 */
import * as PgAuth from "@effect/sql-pg/PgAuth"
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { randomBytes } from "node:crypto"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as SqlFailure from "./SqlFailure.ts"
import { Connection } from "./TenantSqlConnection.ts"

/** Where the database is, read from a `postgres://` URL. */
export interface Address {
  readonly host: string
  readonly port: number
  /** A socket file, in place of host and port. */
  readonly path: string | undefined
  readonly user: string
  readonly password: Redacted.Redacted | undefined
  readonly database: string
  readonly ssl: "disable" | "prefer" | "require"
}

export interface ConnectOptions {
  readonly address: Address
  /** Extra TLS settings: a private authority, a client certificate. */
  readonly tls: Tls.ConnectionOptions | undefined
  /** The role to work under, or null for the login itself. */
  readonly role: string | null
  /** Session settings sent at start-up. */
  readonly settings: Readonly<Record<string, string>>
  /** Milliseconds for all of it. */
  readonly timeout: number
  readonly maxPrepared: number
  /** Bytes of one message from the server, so of one row. */
  readonly maxMessageSize: number
}

const unavailable = (message: string): SqlFailure.Unavailable => new SqlFailure.Unavailable({ message })

/** Reads a connection URL; null where it is not one. A message about it would have to quote it, password and all. */
export const parseUrl = (url: Redacted.Redacted): Address | null => {
  let parsed: URL
  try {
    parsed = new URL(Redacted.value(url))
    if (parsed.protocol !== "postgres:" && parsed.protocol !== "postgresql:") return null
    const query = parsed.searchParams
    const host = query.get("host") ?? (decodeURIComponent(parsed.hostname.replace(/^\[|\]$/g, "")) || "localhost")
    const port = Number(query.get("port") ?? (parsed.port || "5432"))
    const user = query.get("user") ?? (decodeURIComponent(parsed.username) || process.env["USER"] || "postgres")
    const password = query.get("password") ?? decodeURIComponent(parsed.password)
    const mode = query.get("sslmode") ?? "disable"
    // An unknown mode must not end in plain text.
    const ssl = mode === "disable" ? mode : mode === "prefer" || mode === "allow" ? "prefer" : "require"
    return {
      host,
      port,
      path: host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : undefined,
      user,
      password: password === "" ? undefined : Redacted.make(password),
      database: query.get("dbname") ?? (decodeURIComponent(parsed.pathname.slice(1)) || user),
      ssl
    }
  } catch {
    return null
  }
}

const dial = (address: Address): Net.Socket =>
  address.path !== undefined
    ? Net.connect({ path: address.path })
    : Net.connect({
        host: address.host,
        port: address.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 30_000
      })

/** The raw stream, encrypted as asked. Calls back once with the stream and whether the server agreed to TLS. */
const secure = (
  options: ConnectOptions,
  raw: Net.Socket,
  ready: (socket: Duplex) => void,
  fail: (failure: SqlFailure.SqlFailure) => void
): void => {
  const { address } = options
  if (address.ssl === "disable" || address.path !== undefined) return ready(raw)
  raw.once("data", (chunk: Uint8Array) => {
    const [byte, ...more] = chunk
    const answer = byte !== undefined && more.length === 0 ? PgProtocol.decodeSslResponse(byte) : undefined
    if (answer === undefined || Result.isFailure(answer)) return fail(unavailable("the server cannot speak of TLS"))
    if (answer.success === "N") {
      return address.ssl === "prefer" ? ready(raw) : fail(unavailable("the server does not offer TLS"))
    }
    const encrypted = Tls.connect({
      ...(Net.isIP(address.host) === 0 ? { servername: address.host } : {}),
      host: address.host,
      ...options.tls,
      socket: raw
    })
    encrypted.on("error", (error: Error) => fail(unavailable(`TLS failed: ${error.message}`)))
    encrypted.once("secureConnect", () => ready(encrypted))
  })
  raw.write(PgProtocol.encodeSslRequest())
}

const cancelTimeout = 2_000

// A cancel goes over a socket of its own and is never answered.
const cancel = (options: ConnectOptions, pid: number, secret: number): void => {
  const raw = dial(options.address)
  raw.setTimeout(cancelTimeout, () => raw.destroy())
  raw.on("error", () => raw.destroy())
  raw.once("connect", () =>
    secure(
      options,
      raw,
      (socket) => {
        socket.end(PgProtocol.encodeCancelRequest({ pid, secret }), () => raw.destroy())
      },
      () => raw.destroy()
    )
  )
}

// A role that escapes row security would make every policy decoration. To
// inherit from a table's owner is to own it.
const roleCheck = {
  sql: `select r.rolsuper or r.rolbypassrls as bypasses,
  exists (select from (select distinct relowner from pg_class where relkind in ('r', 'p', 'v', 'm')) o
    where pg_has_role(r.oid, o.relowner, 'usage')) as owns,
  pg_has_role(session_user, r.oid, 'member') as member
from pg_roles r where r.rolname = coalesce($1, session_user)`,
  prepare: false
}

const refusal = (role: string | null, row: { readonly [column: string]: unknown } | undefined): string | undefined => {
  const name = role === null ? "the login role" : `role ${JSON.stringify(role)}`
  if (row === undefined) return `${name} does not exist`
  if (row["bypasses"] !== false) return `${name} bypasses row security`
  if (row["owns"] !== false) return `${name} owns tables, itself or by inheritance, so their policies do not bind it`
  if (row["member"] !== true) return `the login is not a member of ${name}`
  return undefined
}

/**
 * Opens one session and calls back exactly once. The returned function gives up.
 *
 * Fails with `Unavailable`, or with `PermissionDenied` where the login is
 * refused or the role to work under could escape row security.
 */
export const connect = (
  options: ConnectOptions,
  resume: (result: Connection | SqlFailure.SqlFailure) => void
): (() => void) => {
  const { address } = options
  let settled = false
  let scram: PgAuth.ScramState | undefined
  let pid = 0
  let secret = 0
  const raw = dial(address)
  const parser = PgProtocol.makeParser<unknown>({ maxMessageSize: options.maxMessageSize })
  const settle = (result: Connection | SqlFailure.SqlFailure): void => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    if (!(result instanceof Connection)) raw.destroy()
    resume(result)
  }
  const timer = setTimeout(() => settle(unavailable("connecting took too long")), options.timeout)
  const denied = (message: string): void => settle(new SqlFailure.PermissionDenied({ table: "", message }))

  raw.on("error", (error: Error) =>
    settle(unavailable(`cannot connect: ${(error as NodeJS.ErrnoException).code ?? error.name}`))
  )
  raw.on("close", () => settle(unavailable("the connection was closed while it was being opened")))
  raw.once("connect", () => secure(options, raw, start, settle))

  const start = (socket: Duplex): void => {
    const onMessage = (message: PgProtocol.BackendMessage<unknown>): void => {
      if (settled) return
      switch (message._tag) {
        case "AuthenticationOk":
          if (scram !== undefined) denied("the server did not prove its identity")
          return
        case "AuthenticationCleartextPassword":
          return withPassword((password) => socket.write(PgProtocol.encodePasswordMessage({ password })))
        case "AuthenticationMD5Password":
          return withPassword((password) => {
            const hashed = PgAuth.md5Password({ user: address.user, password, salt: message.salt })
            if (Result.isFailure(hashed)) return denied(hashed.failure.message)
            socket.write(PgProtocol.encodePasswordMessage({ password: hashed.success }))
          })
        case "AuthenticationSASL":
          return withPassword((password) => {
            const mechanism = PgAuth.SCRAM_SHA_256
            if (!message.mechanisms.includes(mechanism)) return denied(`the server does not offer ${mechanism}`)
            const init = PgAuth.scramInit({ password, nonce: randomBytes(18).toString("base64") })
            if (Result.isFailure(init)) return denied(init.failure.message)
            scram = init.success.state
            socket.write(PgProtocol.encodeSASLInitialResponse({ mechanism, initialResponse: init.success.response }))
          })
        case "AuthenticationSASLContinue": {
          if (scram?._tag !== "ScramFirst") return denied("the server's authentication is out of order")
          const next = PgAuth.scramContinue(scram, message.data)
          if (Result.isFailure(next)) return denied(next.failure.message)
          scram = next.success.state
          socket.write(PgProtocol.encodeSASLResponse({ data: next.success.response }))
          return
        }
        case "AuthenticationSASLFinal": {
          if (scram?._tag !== "ScramFinal") return denied("the server's authentication is out of order")
          const verified = PgAuth.scramFinish(scram, message.data)
          if (Result.isFailure(verified)) return denied(verified.failure.message)
          scram = undefined
          return
        }
        case "AuthenticationUnsupported":
          return denied(`the server asks for authentication method ${message.method}`)
        case "BackendKeyData":
          pid = message.pid
          secret = message.secret
          return
        case "ErrorResponse": {
          const failure = SqlFailure.fromServer(message.fields)
          // Nothing was open yet, so nothing was lost.
          return settle(failure._tag === "ConnectionLost" ? unavailable(failure.message) : failure)
        }
        case "ReadyForQuery":
          socket.off("data", onData)
          return verify(
            new Connection({
              socket,
              parser,
              processId: pid,
              maxPrepared: options.maxPrepared,
              cancel: () => cancel(options, pid, secret)
            })
          )
      }
    }
    const onData = (chunk: Uint8Array): void => {
      try {
        parser.pushEach(chunk, onMessage)
      } catch {
        settle(unavailable("the server does not speak PostgreSQL"))
      }
    }
    const withPassword = (use: (password: string) => unknown): void => {
      if (address.password === undefined) return denied("the server asks for a password and none is configured")
      use(Redacted.value(address.password))
    }
    socket.on("data", onData)
    socket.write(
      PgProtocol.encodeStartupMessage({
        user: address.user,
        database: address.database,
        DateStyle: "ISO",
        TimeZone: "UTC",
        bytea_output: "hex",
        row_security: "on",
        ...options.settings
      })
    )
  }

  const verify = (connection: Connection): void => {
    connection.send(
      [{ ...roleCheck, params: [options.role] }],
      { hidden: 0, commits: false, deadline: options.timeout },
      (answer) => {
        if (settled) return connection.close()
        const problem = answer._tag === "Failed" ? answer.failure.message : refusal(options.role, answer.rows[0]?.[0])
        if (problem === undefined) return settle(connection)
        connection.close()
        if (answer._tag === "Failed") settle(unavailable(problem))
        else denied(problem)
      }
    )
  }

  return () => settle(unavailable("gave up connecting"))
}
