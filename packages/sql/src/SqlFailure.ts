/**
 * What can go wrong between Tenon and PostgreSQL, classified once, here.
 *
 * Every class is schema-backed, so that it may cross a wire, carries its HTTP
 * status as an annotation and says by `retryable` whether the same transaction
 * may be tried again. No message repeats a parameter's value: server messages
 * that quote data (SQLSTATE class 22, constraint details, raised exceptions)
 * are replaced by the state's number.
 */
import * as Schema from "effect/Schema"

/**
 * Whether a transaction cut short has left anything behind. `rolledBack` is
 * certain; `unknown` means the commit was on its way when the answer was lost.
 */
export const Outcome = Schema.Literals(["unknown", "rolledBack"])
export type Outcome = typeof Outcome.Type

/** A unique or exclusion constraint refused the row (23505, 23P01). */
export class UniqueViolation extends Schema.TaggedError<UniqueViolation>()(
  "UniqueViolation",
  {
    constraint: Schema.String,
    table: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 409 }
) {
  readonly retryable = false
}

/** A referenced row is missing, or a referencing one stands in the way (23503, 23001). */
export class ForeignKeyViolation extends Schema.TaggedError<ForeignKeyViolation>()(
  "ForeignKeyViolation",
  {
    constraint: Schema.String,
    table: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 409 }
) {
  readonly retryable = false
}

/** A CHECK constraint refused the row (23514). */
export class CheckViolation extends Schema.TaggedError<CheckViolation>()(
  "CheckViolation",
  {
    constraint: Schema.String,
    table: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 422 }
) {
  readonly retryable = false
}

/** A required column was null (23502). */
export class NotNullViolation extends Schema.TaggedError<NotNullViolation>()(
  "NotNullViolation",
  {
    column: Schema.String,
    table: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 422 }
) {
  readonly retryable = false
}

/**
 * A value PostgreSQL cannot store or read: a NUL or a lone surrogate in text,
 * a malformed literal, a number out of range (SQLSTATE class 22; `sqlState` is
 * `22021` where the value was refused before it was sent).
 */
export class InvalidValue extends Schema.TaggedError<InvalidValue>()(
  "InvalidValue",
  {
    sqlState: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 422 }
) {
  readonly retryable = false
}

/** Concurrent transactions collided, or the schema changed under a transaction: try it again (40001, 0A000). */
export class SerializationFailure extends Schema.TaggedError<SerializationFailure>()(
  "SerializationFailure",
  {
    sqlState: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 409 }
) {
  readonly retryable = true
}

/** This transaction was chosen as the victim of a deadlock (40P01). */
export class Deadlock extends Schema.TaggedError<Deadlock>()(
  "Deadlock",
  {
    message: Schema.String
  },
  { httpApiStatus: 409 }
) {
  readonly retryable = true
}

/** The connection went away while a transaction was open on it. `outcome` says what that means for its writes. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()(
  "ConnectionLost",
  {
    outcome: Outcome,
    message: Schema.String
  },
  { httpApiStatus: 503 }
) {
  readonly retryable = true
}

/**
 * No connection could be had in time, or the server is starting, stopping, full, read-only or at odds with its disk.
 * Nothing was done.
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  {
    message: Schema.String
  },
  { httpApiStatus: 503 }
) {
  readonly retryable = true
}

/** A statement or lock waited longer than it may (57014, 55P03). */
export class StatementTimeout extends Schema.TaggedError<StatementTimeout>()(
  "StatementTimeout",
  {
    sqlState: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 504 }
) {
  readonly retryable = false
}

/** A privilege or a row-security policy refused it (42501), or the login may not be used (class 28). */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()(
  "PermissionDenied",
  {
    table: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 403 }
) {
  readonly retryable = false
}

/** Anything else, by its SQLSTATE. */
export class Other extends Schema.TaggedError<Other>()(
  "Other",
  {
    sqlState: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 500 }
) {
  readonly retryable = false
}

export const SqlFailure = Schema.Union([
  UniqueViolation,
  ForeignKeyViolation,
  CheckViolation,
  NotNullViolation,
  InvalidValue,
  SerializationFailure,
  Deadlock,
  ConnectionLost,
  Unavailable,
  StatementTimeout,
  PermissionDenied,
  Other
])
export type SqlFailure = typeof SqlFailure.Type

/** The fields of a server's ErrorResponse that classification reads. */
export interface ServerError {
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  readonly constraint?: string | undefined
  readonly severity?: string | undefined
  readonly severityUnlocalized?: string | undefined
}

/** True where the server ends the session with this message. */
export const isFatal = (error: ServerError): boolean => {
  const severity = error.severityUnlocalized ?? error.severity
  return severity === "FATAL" || severity === "PANIC"
}

// The classes whose primary message names identifiers and settings, never data.
const quotable = new Set(["08", "0A", "25", "26", "28", "3D", "3F", "42", "53", "54", "55", "57", "58"])

const describe = (error: ServerError, code: string): string =>
  quotable.has(code.slice(0, 2)) && error.message !== undefined
    ? `${error.message} (SQLSTATE ${code})`
    : `PostgreSQL refused the statement (SQLSTATE ${code})`

/** Classifies an ErrorResponse after which the transaction is known to be rolled back. */
export const fromServer = (error: ServerError): SqlFailure => {
  const code = error.code ?? "XX000"
  const message = describe(error, code)
  const table = error.table ?? ""
  const constraint = error.constraint ?? ""
  switch (code) {
    case "23505":
    case "23P01":
      return new UniqueViolation({ constraint, table, message: `${table} refused a duplicate: ${constraint}` })
    case "23503":
    case "23001":
      return new ForeignKeyViolation({ constraint, table, message: `${table} refused a reference: ${constraint}` })
    case "23514":
      return new CheckViolation({ constraint, table, message: `${table} refused a value: ${constraint}` })
    case "23502": {
      const column = error.column ?? ""
      return new NotNullViolation({ column, table, message: `${table}.${column} must not be null` })
    }
    case "40001":
      return new SerializationFailure({ sqlState: code, message: "concurrent transactions collided" })
    case "40P01":
      return new Deadlock({ message: "the transaction was rolled back to end a deadlock" })
    case "57014":
    case "55P03":
      return new StatementTimeout({ sqlState: code, message })
    case "42501":
      return new PermissionDenied({ table, message })
    case "57P01":
    case "57P02":
    case "57P04":
    case "57P05":
    case "25P03":
      return new ConnectionLost({ outcome: "rolledBack", message })
    // A standby, or a server that was made read-only: another or the same one will write again.
    case "25006":
    case "57P03":
      return new Unavailable({ message })
  }
  switch (code.slice(0, 2)) {
    case "08":
      return new ConnectionLost({ outcome: "rolledBack", message })
    case "22":
      return new InvalidValue({ sqlState: code, message })
    // A login that is refused, as while its password is being changed: the work must wait for it, not be given up.
    case "28":
      return new Unavailable({ message })
    case "53":
    case "58":
      return new Unavailable({ message })
  }
  return new Other({ sqlState: code, message })
}
