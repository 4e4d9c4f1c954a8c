/**
 * Splits a SQL script into statements, as PostgreSQL's lexical rules have it (its manual, 4.1): strings, quoted
 * identifiers, dollar quotes and nested comments may hold semicolons. Not understood: `begin atomic` bodies of SQL
 * functions; quote those with dollars.
 */

/** One statement without its semicolon. */
export interface Statement {
  readonly sql: string
  /** The line on which it begins, from 1. */
  readonly line: number
}

const token = new RegExp(
  [
    String.raw`--[^\n]*`,
    String.raw`\/\*`,
    // An escape string: a backslash takes the next character with it.
    String.raw`(?<![A-Za-z0-9_$\u0080-\uffff])[eE]'(?:[^'\\]|\\[\s\S]|'')*'`,
    String.raw`'(?:[^']|'')*'`,
    String.raw`"(?:[^"]|"")*"`,
    // A dollar directly after an identifier's character belongs to the identifier.
    String.raw`(?<![A-Za-z0-9_$\u0080-\uffff])\$(?<tag>(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?)\$[\s\S]*?\$\k<tag>\$`,
    ";",
    String.raw`\s+`,
    String.raw`[\s\S]`
  ].join("|"),
  "gu"
)

/** The statements of a script, in order; none for comments alone. */
export const split = (script: string): ReadonlyArray<Statement> => {
  const statements: Array<Statement> = []
  let start = -1
  let position = 0
  const finish = (end: number) => {
    if (start >= 0) statements.push({ sql: script.slice(start, end).trimEnd(), line: lineAt(script, start) })
    start = -1
  }
  while (position < script.length) {
    token.lastIndex = position
    const found = token.exec(script)?.[0] ?? script.slice(position)
    if (found === ";") finish(position)
    else if (found === "/*") {
      position = endOfComment(script, position)
      continue
    } else if (start < 0 && !found.startsWith("--") && found.trim() !== "") start = position
    position += found.length
  }
  finish(script.length)
  return statements
}

/** The statement's words, without comments, in lower case: enough to tell what it does. */
export const words = (sql: string, count: number): ReadonlyArray<string> =>
  sql
    .replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, " ")
    .trim()
    .toLowerCase()
    .split(/\s+/, count)

const endOfComment = (script: string, start: number): number => {
  let depth = 0
  let position = start
  while (position < script.length) {
    if (script.startsWith("/*", position)) {
      depth++
      position += 2
    } else if (script.startsWith("*/", position)) {
      depth--
      position += 2
      if (depth === 0) return position
    } else position++
  }
  return position
}

const lineAt = (script: string, position: number): number => {
  let line = 1
  for (let index = script.indexOf("\n"); index >= 0 && index < position; index = script.indexOf("\n", index + 1)) line++
  return line
}
