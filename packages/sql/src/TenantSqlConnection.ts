/**
 * One session, and the flights sent over it.
 *
 * A flight is any number of statements followed by one Sync, in one write,
 * answered by one ReadyForQuery: one round trip. Outside a BEGIN the server
 * runs a flight as one implicit transaction, so it is applied whole or not at
 * all, and `set_config(…, true)` at its head holds for all of it.
 *
 * Plain callbacks rather than Effects: this is the hot path, and `TenantSql`
 * wraps it once.
 */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import type { Duplex } from "node:stream"
import * as SqlFailure from "./SqlFailure.ts"
import * as SqlValue from "./SqlValue.ts"
import { FrameWriter } from "./TenantSqlFrame.ts"

/** A result row by column name. See `SqlValue` for the types of its values. */
export interface Row {
  readonly [column: string]: unknown
}

/** The rows of each statement of a flight, in order. */
export type Rows = ReadonlyArray<ReadonlyArray<Row>>

/** One SQL command with its parameters, `$1` first. */
export interface Statement {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  /**
   * Whether the server keeps the parsed statement under a name for this
   * session. Default true: turn it off for SQL that is built anew each time.
   */
  readonly prepare?: boolean
  /**
   * Bytes of values with which reading ends: rows behind the one that brings them are dropped as they come, and
   * `moreRows` stands for them.
   */
  readonly maxBytes?: number
}

/** Stands last among the rows of a statement that has more of them than bytes were asked for. */
export const moreRows: Row = Object.freeze({})

export type Answer =
  | { readonly _tag: "Rows"; readonly rows: Rows }
  | { readonly _tag: "Failed"; readonly failure: SqlFailure.SqlFailure; readonly stale: boolean }

/** What a flight is for. */
export interface FlightOptions {
  /** How many statements at its head are context, whose rows nobody reads. */
  readonly hidden: number
  /** Whether the flight's last command, or its Sync, commits. */
  readonly commits: boolean
  /** Milliseconds from the write until the session is given up. */
  readonly deadline: number
}

/** A statement the server holds under a name. */
interface Prepared {
  readonly name: string
  parsed: boolean
  /** Undefined until described; null where it returns no rows. */
  columns: Columns | null | undefined
}

interface Columns {
  readonly names: ReadonlyArray<string>
  readonly read: PgProtocol.FieldReader<unknown>
}

interface Slot {
  readonly statement: Statement
  readonly prepared: Prepared | undefined
  readonly rows: Array<Row>
  columns: Columns | null | undefined
  /** Bytes of values that the rows have brought, where they are counted. */
  bytes: number
  /** Whether that is all that was asked for. */
  full: boolean
}

interface Flight {
  readonly slots: ReadonlyArray<Slot>
  readonly options: FlightOptions
  expiresAt: number
  readonly resume: (answer: Answer) => void
  done: number
  command: string
  error: PgProtocol.ErrorFields | undefined
  failure: SqlFailure.SqlFailure | undefined
}

// Extended messages hold one command each, so the first word settles what it
// is. Whatever could end the transaction or change its role on the way - COMMIT,
// RESET, CALL, DO - would leave the statements behind it without their tenant.
// No comment may come first: PostgreSQL nests them and a pattern cannot.
const allowed = /^[\s(]*(?:select|insert|update|delete|merge|with|values|table|explain)\b/i

const validated = new Set<string>()
const validatedMax = 4096

/** Throws `SqlFailure.Other` (0A000) unless `sql` is a query or a change of rows. */
const validate = (sql: string): void => {
  if (validated.has(sql)) return
  if (!allowed.test(sql) || sql.indexOf("\0") !== -1) {
    throw new SqlFailure.Other({
      sqlState: "0A000",
      message: "only queries and changes of rows run in a tenant transaction"
    })
  }
  if (validated.size >= validatedMax) validated.clear()
  validated.add(sql)
}

export const begin: Statement = { sql: "begin", params: [] }
export const commit: Statement = { sql: "commit", params: [] }
export const rollback: Statement = { sql: "rollback", params: [] }

const skip = (): null => null

/** Reads a slot's values, and counts their bytes where its statement has a limit to them. */
const readerOf = (slot: Slot): Columns["read"] | undefined => {
  const read = slot.columns?.read
  if (slot.statement.maxBytes === undefined || read === undefined) return read
  return (bytes, offset, size, column) => {
    if (slot.full) return null
    slot.bytes += Math.max(0, size)
    return read(bytes, offset, size, column)
  }
}

const maxParams = 65535
const writer = new FrameWriter()

const encodeParams = (params: ReadonlyArray<unknown>): ReadonlyArray<string | Uint8Array | null> => {
  if (params.length > maxParams) {
    throw new SqlFailure.Other({ sqlState: "54023", message: `a statement takes at most ${maxParams} parameters` })
  }
  const out = new Array<string | Uint8Array | null>(params.length)
  for (let index = 0; index < params.length; index++) out[index] = SqlValue.encode(params[index])
  return out
}

const lost = (outcome: SqlFailure.Outcome, message: string): SqlFailure.ConnectionLost =>
  new SqlFailure.ConnectionLost({ outcome, message })

export interface ConnectionOptions {
  readonly socket: Duplex
  readonly parser: PgProtocol.Parser<unknown>
  readonly processId: number
  readonly maxPrepared: number
  /** Asks the server, over another socket, to cancel what this session runs. */
  readonly cancel: () => void
}

/** A session that is ready for queries. At most one flight is on the wire. */
export class Connection {
  readonly processId: number
  readonly openedAt = performance.now()
  idleSince = 0
  /** The server's word from the last ReadyForQuery: idle, in a transaction, or in a failed one. */
  status: PgProtocol.TransactionStatus = "I"
  /** Set once, when the session can no longer be used. */
  dead: string | undefined
  /** Told once, when `dead` is set. */
  onDead: (() => void) | undefined
  private flight: Flight | undefined
  private landed: (() => void) | undefined
  private readonly socket: Duplex
  private readonly parser: PgProtocol.Parser<unknown>
  private readonly maxPrepared: number
  private readonly cancel: () => void
  private readonly prepared = new Map<string, Prepared>()
  private closes: Array<string> = []
  private counter = 0

  constructor(options: ConnectionOptions) {
    this.socket = options.socket
    this.parser = options.parser
    this.processId = options.processId
    this.maxPrepared = options.maxPrepared
    this.cancel = options.cancel
    this.socket.on("data", this.onData)
    this.socket.on("error", (error: Error) => this.kill(`the connection broke: ${error.message}`))
    this.socket.on("close", () => this.kill("the connection was closed"))
  }

  get busy(): boolean {
    return this.flight !== undefined
  }

  /**
   * Sends `statements` in one write and answers `resume` exactly once.
   * Returns false, having sent nothing and called nothing, if the session died
   * before; throws `SqlFailure` if a statement cannot be encoded.
   */
  send(statements: ReadonlyArray<Statement>, options: FlightOptions, resume: (answer: Answer) => void): boolean {
    if (this.dead !== undefined) return false
    if (this.flight !== undefined) throw new Error("a flight is already on the wire")
    const slots = new Array<Slot>(statements.length)
    const closes = this.closes
    try {
      for (const name of closes) writer.closeStatement(name)
      for (let index = 0; index < statements.length; index++) slots[index] = this.encode(statements[index]!)
    } catch (error) {
      writer.reset()
      // Named by this flight, but never sent.
      for (const [sql, prepared] of this.prepared) if (!prepared.parsed) this.prepared.delete(sql)
      throw error
    }
    writer.sync()
    if (this.closes === closes) this.closes = []
    this.flight = {
      slots,
      options,
      expiresAt: performance.now() + options.deadline,
      resume,
      done: 0,
      command: "",
      error: undefined,
      failure: undefined
    }
    this.socket.write(writer.take())
    return true
  }

  private encode(statement: Statement): Slot {
    if (statement !== begin && statement !== commit && statement !== rollback) validate(statement.sql)
    const params = encodeParams(statement.params)
    if (statement.prepare === false || this.maxPrepared === 0) {
      writer.parse("", statement.sql)
      writer.bind("", params)
      writer.describe("P", "")
      writer.execute()
      return { statement, prepared: undefined, rows: [], columns: undefined, bytes: 0, full: false }
    }
    let prepared = this.prepared.get(statement.sql)
    if (prepared === undefined) {
      prepared = { name: `t${++this.counter}`, parsed: false, columns: undefined }
      writer.parse(prepared.name, statement.sql)
      writer.describe("S", prepared.name)
    } else {
      // Moved to the end: a Map keeps its order, and the first goes first.
      this.prepared.delete(statement.sql)
    }
    this.prepared.set(statement.sql, prepared)
    writer.bind(prepared.name, params)
    writer.execute()
    return { statement, prepared, rows: [], columns: prepared.columns, bytes: 0, full: false }
  }

  private readonly onData = (chunk: Uint8Array): void => {
    try {
      this.parser.pushEach(chunk, this.onMessage)
    } catch (error) {
      this.kill(`the server's answer could not be read: ${error instanceof Error ? error.message : "unknown"}`)
    }
  }

  private readonly onMessage = (message: PgProtocol.BackendMessage<unknown>): void => {
    if (this.dead !== undefined) return
    const flight = this.flight
    if (flight === undefined) {
      switch (message._tag) {
        case "NoticeResponse":
        case "ParameterStatus":
        case "NotificationResponse":
          return
        case "ErrorResponse":
          return this.kill(message.fields.message ?? "the server ended the session")
      }
      return this.kill(`an unexpected ${message._tag}`)
    }
    const slot = flight.slots[flight.done]
    switch (message._tag) {
      case "DataRow": {
        if (flight.done < flight.options.hidden) return
        if (slot!.full) {
          if (slot!.rows.at(-1) !== moreRows) slot!.rows.push(moreRows)
          return
        }
        const columns = slot!.columns!
        const values = message.values
        const row: Record<string, unknown> = {}
        for (let index = 0; index < values.length; index++) row[columns.names[index]!] = values[index]
        slot!.rows.push(row)
        slot!.full = slot!.bytes >= (slot!.statement.maxBytes ?? Number.POSITIVE_INFINITY)
        return
      }
      case "BindComplete":
        // A second use of a statement first described earlier in this flight.
        if (slot!.columns === undefined) slot!.columns = slot!.prepared?.columns
        this.parser.readField = flight.done < flight.options.hidden ? skip : readerOf(slot!)
        return
      case "CommandComplete":
        flight.command = message.commandTag
        flight.done++
        return
      case "EmptyQueryResponse":
        flight.done++
        return
      case "ParseComplete":
        if (slot?.prepared !== undefined) slot.prepared.parsed = true
        return
      case "RowDescription":
        this.described(slot!, this.columnsOf(message.fields))
        return
      case "NoData":
        this.described(slot!, null)
        return
      case "ErrorResponse":
        flight.error = message.fields
        if (SqlFailure.isFatal(message.fields)) this.kill(message.fields.message ?? "the server ended the session")
        return
      case "ReadyForQuery":
        this.status = message.status
        return this.finish(flight)
      case "CloseComplete":
      case "ParameterDescription":
      case "NoticeResponse":
      case "ParameterStatus":
      case "NotificationResponse":
        return
      default:
        return this.kill(`an unexpected ${message._tag}`)
    }
  }

  private described(slot: Slot, columns: Columns | null): void {
    slot.columns = columns
    if (slot.prepared !== undefined) slot.prepared.columns = columns
    this.parser.readField = columns?.read
  }

  private columnsOf(fields: ReadonlyArray<PgProtocol.FieldDescription>): Columns {
    const decoders = fields.map((field) => SqlValue.decoder(field.dataTypeOid))
    const read = (bytes: Uint8Array, offset: number, size: number, column: number): unknown => {
      if (size < 0) return null
      try {
        return decoders[column]!(bytes, offset, size)
      } catch {
        // The parser would take a throw for a broken stream and end the session.
        this.flight!.failure ??= new SqlFailure.Other({
          sqlState: "XX001",
          message: `column ${fields[column]!.name} could not be read`
        })
        return null
      }
    }
    return { names: fields.map((field) => field.name), read }
  }

  /** Calls back once the flight in the air has been answered, one way or another. */
  onIdle(callback: () => void): void {
    this.landed = callback
  }

  private land(): void {
    const callback = this.landed
    this.landed = undefined
    callback?.()
  }

  private finish(flight: Flight): void {
    this.flight = undefined
    this.answer(flight)
    this.land()
  }

  private answer(flight: Flight): void {
    this.parser.readField = undefined
    this.trim(flight)
    const error = flight.error
    if (error !== undefined) {
      const stale = error.code === "26000" || (error.code === "0A000" && /cached plan/.test(error.message ?? ""))
      if (stale) this.forget(flight)
      flight.resume({ _tag: "Failed", failure: SqlFailure.fromServer(error), stale })
    } else if (flight.failure !== undefined) {
      flight.resume({ _tag: "Failed", failure: flight.failure, stale: false })
    } else if (flight.slots.at(-1)?.statement === commit && flight.command !== "COMMIT") {
      flight.resume({
        _tag: "Failed",
        failure: new SqlFailure.Other({ sqlState: "25P02", message: "the commit was answered by a rollback" }),
        stale: false
      })
    } else {
      const rows: Array<ReadonlyArray<Row>> = []
      for (let index = flight.options.hidden; index < flight.slots.length; index++) {
        if (flight.slots[index]!.statement !== commit) rows.push(flight.slots[index]!.rows)
      }
      flight.resume({ _tag: "Rows", rows })
    }
  }

  /** Settles the names a flight introduced, and drops the least used beyond the bound. */
  private trim(flight: Flight): void {
    if (flight.error !== undefined) {
      for (const { prepared, statement } of flight.slots) {
        if (prepared === undefined || (prepared.parsed && prepared.columns !== undefined)) continue
        this.prepared.delete(statement.sql)
        // Held by the server though the flight failed: a Parse is not undone.
        if (prepared.parsed) this.closes.push(prepared.name)
      }
    }
    for (const [sql, prepared] of this.prepared) {
      if (this.prepared.size <= this.maxPrepared) break
      this.prepared.delete(sql)
      this.closes.push(prepared.name)
    }
  }

  /** Drops every statement of a flight that failed for one of them being out of date. */
  private forget(flight: Flight): void {
    for (const { prepared, statement } of flight.slots) {
      if (prepared !== undefined && this.prepared.delete(statement.sql)) this.closes.push(prepared.name)
    }
  }

  /**
   * Nobody waits for the flight in the air any more: it gets `grace`
   * milliseconds to land, for the session's sake.
   */
  abandon(grace: number): void {
    const flight = this.flight
    if (flight !== undefined) flight.expiresAt = Math.min(flight.expiresAt, performance.now() + grace)
  }

  /**
   * Ends the session if its flight is past its deadline. The server is asked
   * to cancel what it runs; a late cancel hits nothing, as the session is gone.
   */
  expire(now: number): void {
    if (this.flight === undefined || now <= this.flight.expiresAt) return
    this.cancel()
    this.kill("the server did not answer in time")
  }

  /** Ends the session. A flight in the air fails with what is known of its outcome. */
  kill(why: string): void {
    if (this.dead !== undefined) return
    this.dead = why
    this.socket.destroy()
    const flight = this.flight
    this.flight = undefined
    this.onDead?.()
    if (flight === undefined) return
    const { done, error, options, slots } = flight
    // Messages come in order: an error in place of a statement's own completion
    // was sent before anything could have been committed. Once all of them are
    // complete, a fatal one may come from after the commit.
    const last = slots.at(-1)?.statement === commit ? slots.length - 1 : slots.length
    const refused = error !== undefined && !SqlFailure.isFatal(error)
    const certain = !options.commits || refused || (error !== undefined && done < last)
    flight.resume({
      _tag: "Failed",
      failure: refused ? SqlFailure.fromServer(error) : lost(certain ? "rolledBack" : "unknown", why),
      stale: false
    })
    this.land()
  }

  /** Says goodbye and closes. */
  close(): void {
    if (this.dead !== undefined) return
    this.dead = "the connection was closed"
    this.socket.end(PgProtocol.encodeTerminate(), () => this.socket.destroy())
    this.onDead?.()
  }
}
