import * as SqlName from "@tenon/sql/SqlName"
import * as SqlText from "@tenon/sql/SqlText"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

const texts = (script: string) => SqlText.split(script).map(({ sql }) => sql)

describe("SqlText.split", () => {
  const whole = [
    "select ';'",
    "select 'it''s; fine'",
    String.raw`select e'\';' || E'a\\'`,
    String.raw`select '\'`,
    `select ";" from "a"";"`,
    "do $$ begin; end $$",
    "do $a$ $$;$$ $a$",
    "select $b_1$;$b_1$",
    "select a$1;".replace(";", ""),
    "select 1 /* ; /* nested; */ ; */ + 1",
    "select 1 -- ;\n + 1",
    "select 日本$x$ as z"
  ]
  for (const statement of whole) {
    it(`keeps ${statement} whole`, () => {
      assert.deepStrictEqual(texts(statement), [statement])
      assert.deepStrictEqual(texts(`-- first\n${statement}\n;\nselect 2;`), [statement, "select 2"])
    })
  }

  it("gives none for comments, and the line of each", () => {
    assert.deepStrictEqual(texts("-- only\n/* that */ ;;\n"), [])
    assert.deepStrictEqual(
      SqlText.split("-- a\n\nselect 1;\n/* b */ select\n2;").map(({ line }) => line),
      [3, 4]
    )
    assert.deepStrictEqual(SqlText.words("/* x */ COMMIT -- y\n and chain", 2), ["commit", "and"])
  })

  it("ends on whatever is left open", () => {
    for (const open of ["select '", "select $$;", `select "`, "/* ;", "select e'\\'"])
      assert.isAtMost(texts(open).length, 2)
  })
})

describe("SqlName", () => {
  it.prop("quotes whatever text so that it stays one token", { text: Schema.String }, ({ text }) => {
    const clean = text.replaceAll("\u0000", "")
    assert.deepStrictEqual(texts(`select ${SqlName.literal(clean)} as ${SqlName.quote(clean)}; select 2`).length, 2)
    assert.deepStrictEqual(texts(`${SqlName.comment(clean)}\nselect 2;`), ["select 2"])
  })

  it("tells parts apart that would join alike, and fits them into 63 bytes", () => {
    const names = [
      SqlName.derived("a", ["b_c"], "key"),
      SqlName.derived("a_b", ["c"], "key"),
      SqlName.derived("a__b", ["c"], "key"),
      SqlName.derived("a", ["b", "c"], "key"),
      SqlName.derived("a", ["b__c"], "key"),
      SqlName.derived("a", ["b", "c"], "idx"),
      SqlName.derived("a_", ["b"], "key"),
      SqlName.derived("a", ["x".repeat(60)], "key"),
      SqlName.derived("a", ["x".repeat(61)], "key"),
      SqlName.derived("a".repeat(63), ["日本"], "key")
    ]
    assert.strictEqual(new Set(names).size, names.length)
    for (const name of names) assert.match(name, /^[a-z0-9_]{1,63}$/)
    assert.throws(() => SqlName.quote("\u0000"))
  })
})
