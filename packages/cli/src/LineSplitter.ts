/** Cuts what a process writes into lines. */
import { StringDecoder } from "node:string_decoder"

/**
 * A line that is longer is handed over in pieces, so that a process that never ends its line cannot fill the memory.
 */
const maxLine = 65_536

/** Collects chunks and hands over each line without its end. */
export class LineSplitter {
  private readonly decoder = new StringDecoder("utf8")
  private readonly line: (text: string) => void
  private rest = ""

  constructor(line: (text: string) => void) {
    this.line = line
  }

  write(chunk: Buffer): void {
    const lines = (this.rest + this.decoder.write(chunk)).split("\n")
    this.rest = lines.pop() ?? ""
    for (const line of lines) this.line(line.endsWith("\r") ? line.slice(0, -1) : line)
    if (this.rest.length > maxLine) this.end()
  }

  /** Hands over what has no end of line. */
  end(): void {
    if (this.rest !== "") this.line(this.rest)
    this.rest = ""
  }
}
