/** Identifiers and literals of SQL: how they are quoted, and how derived names are made. */
import { createHash } from "node:crypto"

/** A quoted identifier. PostgreSQL allows every character but NUL between the quotes (its manual, 4.1.1). */
export const quote = (name: string): string => `"${checked(name).replaceAll(`"`, `""`)}"`

/** A quoted string; needs `standard_conforming_strings`, which is PostgreSQL's default since 9.1. */
export const literal = (text: string): string => `'${checked(text).replaceAll("'", "''")}'`

/** A name with its schema. */
export const qualified = (of: { readonly schema: string; readonly name: string }): string =>
  `${quote(of.schema)}.${quote(of.name)}`

/** Identifiers separated by commas. */
export const list = (names: ReadonlyArray<string>): string => names.map(quote).join(", ")

/** A text for a `--` comment: one line, whatever it holds. */
export const comment = (text: string): string => `-- ${text.replace(/[\r\n\u2028\u2029]+/g, " ")}`

const checked = (text: string): string => {
  if (text.includes("\u0000")) throw new Error("A NUL character cannot be part of SQL")
  return text
}

/** Bytes at most in an identifier; PostgreSQL cuts the rest off silently (its manual, 4.1.1). */
const longest = 63

/**
 * The name of something that belongs to a table: `messages__thread_id__position__key`. Parts are joined by two
 * underscores, which columns never hold, so different parts give different names. Where that would be ambiguous or too
 * long, a digest of the parts takes the place of what is cut off.
 */
export const derived = (table: string, parts: ReadonlyArray<string>, suffix: string): string => {
  const all = [table, ...parts]
  const plain = [...all, suffix].join("__")
  // A table of the framework's may begin with an underscore; nothing else does.
  const clear = all.every((part, index) =>
    (index === 0 ? /^_?[a-z0-9]+(_[a-z0-9]+)*$/ : /^[a-z0-9]+(_[a-z0-9]+)*$/).test(part)
  )
  if (clear && plain.length <= longest) return plain
  const digest = createHash("sha256")
    .update(JSON.stringify([...all, suffix]))
    .digest("hex")
    .slice(0, 12)
  const tail = `__${digest}__${suffix}`
  return plain.replace(/[^a-z0-9_]/g, "_").slice(0, longest - tail.length) + tail
}
