/**
 * Frames of the PostgreSQL extended protocol, written into one growing buffer
 * so that a whole flight - context, statements, commit, Sync - is one write.
 *
 * `PgProtocol` encodes one message per allocation; a flight has a dozen.
 */
import { Buffer } from "node:buffer"

const startSize = 64 * 1024
const keepSize = 1024 * 1024

/** Builds one flight at a time; not to be shared across an asynchronous gap. */
export class FrameWriter {
  private buffer = Buffer.allocUnsafe(startSize)
  private offset = 0

  private reserve(bytes: number): void {
    if (this.offset + bytes <= this.buffer.length) return
    let size = this.buffer.length * 2
    while (size < this.offset + bytes) size *= 2
    const next = Buffer.allocUnsafe(size)
    this.buffer.copy(next, 0, 0, this.offset)
    this.buffer = next
  }

  // Names are ours and SQL is free of NUL (checked by the caller).
  private cString(value: string): void {
    this.reserve(value.length * 3 + 1)
    this.offset += this.buffer.write(value, this.offset, "utf8")
    this.buffer[this.offset++] = 0
  }

  private int16(value: number): void {
    this.reserve(2)
    this.offset = this.buffer.writeUInt16BE(value, this.offset)
  }

  private open(type: number): number {
    this.reserve(5)
    this.buffer[this.offset] = type
    this.offset += 5
    return this.offset - 4
  }

  private close(at: number): void {
    this.buffer.writeInt32BE(this.offset - at, at)
  }

  parse(name: string, sql: string): void {
    const at = this.open(0x50)
    this.cString(name)
    this.cString(sql)
    this.int16(0)
    this.close(at)
  }

  describe(target: "S" | "P", name: string): void {
    const at = this.open(0x44)
    this.reserve(1)
    this.buffer[this.offset++] = target.charCodeAt(0)
    this.cString(name)
    this.close(at)
  }

  closeStatement(name: string): void {
    const at = this.open(0x43)
    this.reserve(1)
    this.buffer[this.offset++] = 0x53
    this.cString(name)
    this.close(at)
  }

  private int32(value: number): void {
    this.reserve(4)
    this.offset = this.buffer.writeInt32BE(value, this.offset)
  }

  /** Binds the unnamed portal: parameters in text, or as they are where they are bytes; results in text. */
  bind(statement: string, params: ReadonlyArray<string | Uint8Array | null>): void {
    const at = this.open(0x42)
    this.cString("")
    this.cString(statement)
    this.formats(params)
    this.int16(params.length)
    for (let index = 0; index < params.length; index++) this.param(params[index]!)
    this.int16(0)
    this.close(at)
  }

  /** None where all are text. */
  private formats(params: ReadonlyArray<string | Uint8Array | null>): void {
    if (!params.some((each) => each instanceof Uint8Array)) return this.int16(0)
    this.int16(params.length)
    for (const each of params) this.int16(each instanceof Uint8Array ? 1 : 0)
  }

  private param(value: string | Uint8Array | null): void {
    if (value === null) return this.int32(-1)
    if (typeof value !== "string") {
      this.int32(value.length)
      this.reserve(value.length)
      this.buffer.set(value, this.offset)
      this.offset += value.length
      return
    }
    this.reserve(value.length * 3 + 4)
    const written = this.buffer.write(value, this.offset + 4, "utf8")
    this.buffer.writeInt32BE(written, this.offset)
    this.offset += written + 4
  }

  execute(): void {
    const at = this.open(0x45)
    this.cString("")
    this.int32(0)
    this.close(at)
  }

  sync(): void {
    this.close(this.open(0x53))
  }

  /** Hands out the flight's bytes and starts afresh. */
  take(): Uint8Array {
    // Copied, since the socket may hold on to what it could not send at once.
    const bytes = Buffer.from(this.buffer.subarray(0, this.offset))
    this.reset()
    return bytes
  }

  reset(): void {
    this.offset = 0
    if (this.buffer.length > keepSize) this.buffer = Buffer.allocUnsafe(startSize)
  }
}
