/** The guide to models shows code that runs, and the settings that the code reads. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const guide = read("docs/guide/models.md")

describe("the guide to models", () => {
  it("shows parts of files that are tested", () => {
    const blocks = Array.from(guide.matchAll(/^`([\w./-]+)`:\n\n```ts\n(.*?)^```$/gms))
    assert.isNotEmpty(blocks)
    assert.strictEqual(blocks.length, guide.split("```ts").length - 1)
    for (const [, file = "", text = ""] of blocks) assert.include(read(file), text)
  })

  it("lists the settings that are read", () => {
    const inCode = globSync("packages/agents/src/Model*.ts", { cwd: root }).flatMap((path) =>
      Array.from(read(path).matchAll(/"(MODEL_[A-Z_]+)"/g), ([, name = ""]) => name)
    )
    const inGuide = Array.from(guide.matchAll(/^\| `(MODEL_[A-Z_]+)` \|/gm), ([, name = ""]) => name)
    assert.deepStrictEqual(inGuide.toSorted(), [...new Set(inCode)].toSorted())
  })
})
