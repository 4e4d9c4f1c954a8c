/** A message that was edited stands in for the first one: agents read neither that one nor what a run said of it. */
import type * as Resource from "@tenon/core/Resource"
import type { Message } from "./Message.ts"

type Row = Resource.Row<typeof Message>

/** Whether a message comes from a run, from a question of its or from one of its children. */
const comesFrom = ({ idempotencyKey }: Row, run: string): boolean =>
  ["", "question/", "answer/"].some((before) =>
    [".", "/"].some((next) => idempotencyKey.startsWith(before + run + next))
  )

/** What is left of a thread's messages. */
export const asEdited = (messages: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const edits = messages.flatMap(({ replaces }) => replaces ?? [])
  return edits.length === 0
    ? messages
    : messages.filter((each) => !edits.some(({ message, run }) => each.id === message || comesFrom(each, run)))
}
