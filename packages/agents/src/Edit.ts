/**
 * A message that was edited stands in for the first one, and for earlier edits of that: agents read neither those nor
 * what any run has said in answer to them.
 */
import type * as Resource from "@tenon/core/Resource"
import type { Message } from "./Message.ts"

type Row = Resource.Row<typeof Message>

/** What is left of a thread's messages, which are in their order. */
export const asEdited = (messages: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const edited = new Map(
    messages.flatMap(({ id, replaces }) => (replaces === undefined ? [] : [[id, replaces.message]]))
  )
  if (edited.size === 0) return messages
  const firstOf = (id: string): string => {
    const before = edited.get(id)
    return before === undefined ? id : firstOf(before)
  }
  const standing = new Map([...edited.keys()].map((id) => [firstOf(id), id]))
  const isReplaced = (id: string | undefined) => id !== undefined && (standing.get(firstOf(id)) ?? id) !== id
  return messages.filter(({ answers, id }) => !isReplaced(id) && !isReplaced(answers))
}
