import * as Complaint from "@tenon/cli/Complaint"
import * as Output from "@tenon/cli/Output"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"

const clear = "\u001b[2J"
const title = "\u009d0;gone\u0007"

it("what strangers wrote moves no cursor in a table, and begins no row", () => {
  const text = Output.table(["QUEUE", "DETAIL"], [["q", `no key ${clear}${title} is known\nq  all is well`]])
  assert.strictEqual(text.split("\n").length, 2)
  // oxlint-disable-next-line no-control-regex
  assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  assert.include(text, "all is well")
})

it.live("nor in what a command prints, or says of its failure", () =>
  Effect.gen(function* () {
    const said: Array<string> = []
    const collect = (text: unknown) => {
      said.push(String(text))
      return true
    }
    const streams = [
      vi.spyOn(process.stderr, "write").mockImplementation(collect),
      vi.spyOn(console, "log").mockImplementation(collect)
    ]
    const code = process.exitCode
    yield* Output.print(false, {}, `one\n${clear}two`)
    yield* Complaint.report({ message: `Not proven: no key ${title} is known\n  at ["keys"]` })
    process.exitCode = code
    for (const stream of streams) stream.mockRestore()
    assert.deepStrictEqual(said, [
      "one\n\ufffd[2Jtwo",
      'Not proven: no key \ufffd0;gone\ufffd is known\n  at ["keys"]\n'
    ])
  })
)

it.effect("a file that cannot be written is a sentence and no stack trace, and a secret one is its owner's", () =>
  Effect.gen(function* () {
    const directory = mkdtempSync(join(tmpdir(), "tenon-output-"))
    const failure = yield* Effect.flip(Output.write(join(directory, "none", "file"), "text"))
    assert.include(failure.message, "no such file or directory")
    yield* Output.write(join(directory, "secret"), "text", { secret: true })
    assert.strictEqual(statSync(join(directory, "secret")).mode & 0o777, 0o600)
    rmSync(directory, { recursive: true })
  })
)
