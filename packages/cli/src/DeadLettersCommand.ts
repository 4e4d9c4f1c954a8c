/** `tenon slip dead-letters`: messages that were set aside, by what they have in common; put back, or thrown away. */
import { InvalidInput } from "@tenon/core/Failure"
import * as DeadLetters from "@tenon/messaging/DeadLetters"
import {
  type DeadLetter,
  NoSuchQueue,
  type Selection,
  Transport,
  type TransportError
} from "@tenon/messaging/Transport"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ConfigFile from "./ConfigFile.ts"
import * as MeshBackend from "./MeshBackend.ts"
import * as Output from "./Output.ts"
import { print } from "./Root.ts"

const queue = Argument.String("queue").pipe(
  Argument.withDescription("The queue; that of an activity is `tenon.<activity>` unless it names another")
)

/** What is empty and what is not there are not the same: the name is likely mistyped. */
const requireQueue = Effect.fnUntraced(function* (queue: string) {
  const { exists } = yield* Transport
  if (!(yield* exists(queue))) return yield* new NoSuchQueue({ queue })
})

const instant = (millis: number) => new Date(millis).toISOString()

const list = Command.make(
  "list",
  {
    queue: queue.pipe(Argument.optional),
    mesh: Flag.String("mesh").pipe(Flag.withDescription("A mesh, for the queues of all its activities"), Flag.optional),
    letters: Flag.Boolean("letters").pipe(
      Flag.withDescription("List each letter instead of groups"),
      Flag.withDefault(false)
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many letters of a queue to read, at most"),
      Flag.filter(
        (count) => count >= 1 && count <= 100_000,
        () => "--limit must be 1 to 100000"
      ),
      Flag.withDefault(1_000)
    )
  },
  Effect.fn(function* ({ letters, limit, mesh, queue }) {
    const named = Option.isSome(mesh)
      ? (yield* ConfigFile.loadMesh(mesh.value)).activities.map((each) => each.queue)
      : []
    const queues = [...new Set([...Option.toArray(queue), ...named])]
    if (queues.length === 0) return yield* missing("queue", "name a queue, or a mesh with --mesh")
    const found = yield* Effect.gen(function* () {
      const transport = yield* Transport
      // A mesh has queues that nothing was sent to yet.
      if (Option.isSome(queue)) yield* requireQueue(queue.value)
      return yield* Effect.forEach(queues, (each) => transport.deadLetters(each, limit))
    }).pipe(Effect.provide(MeshBackend.transport))
    const all = found.flat()
    return yield* letters ? printLetters(all) : printGroups(queues, found)
  })
).pipe(Command.withDescription("List what was set aside, grouped by what likely is one cause"))

const printLetters = (letters: ReadonlyArray<DeadLetter>) => {
  // The body is the whole message, tokens included: it stays where it is.
  const shown = letters.map(({ body: _, ...letter }) => letter)
  const rows = shown.map((each) => [each.letter, each.queue, each.reason, instant(each.at), each.detail])
  return print(shown, Output.table(["LETTER", "QUEUE", "REASON", "AT", "DETAIL"], rows))
}

const printGroups = (queues: ReadonlyArray<string>, found: ReadonlyArray<ReadonlyArray<DeadLetter>>) => {
  const groups = queues.flatMap((queue, index) =>
    DeadLetters.group(found[index] ?? []).map((group) => ({ queue, ...group }))
  )
  const rows = groups.map((each) => [
    each.fingerprint,
    each.queue,
    String(each.count),
    each.reason,
    instant(each.last),
    each.detail
  ])
  return print(groups, Output.table(["FINGERPRINT", "QUEUE", "COUNT", "REASON", "LAST", "DETAIL"], rows))
}

const missing = (path: string, message: string) => Effect.fail(new InvalidInput({ issues: [{ path, message }] }))

const selection = {
  letter: Flag.String("letter").pipe(Flag.withDescription("Only this letter"), Flag.optional),
  fingerprint: Flag.String("fingerprint").pipe(Flag.withDescription("Only this group"), Flag.optional),
  all: Flag.Boolean("all").pipe(Flag.withDescription("All of the queue"), Flag.withDefault(false))
}

interface Selected {
  readonly letter: Option.Option<string>
  readonly fingerprint: Option.Option<string>
  readonly all: boolean
}

/** Exactly one of the flags, so that nothing is meant by leaving one out. */
const selectionOf = ({ all, fingerprint, letter }: Selected): Effect.Effect<Selection, InvalidInput> => {
  const given: ReadonlyArray<Selection> = [
    ...Option.toArray(letter).map((each) => ({ letter: each })),
    ...Option.toArray(fingerprint).map((each) => ({ fingerprint: each })),
    ...(all ? (["all"] as const) : [])
  ]
  const [one] = given
  return one !== undefined && given.length === 1
    ? Effect.succeed(one)
    : missing("", "say which: one of --letter, --fingerprint and --all")
}

const each = (
  name: "redrive" | "discard",
  description: string,
  done: string,
  act: (transport: Transport["Service"], queue: string, selection: Selection) => Effect.Effect<number, TransportError>
) =>
  Command.make(
    name,
    { queue, ...selection },
    Effect.fn(function* ({ queue, ...selected }) {
      const which = yield* selectionOf(selected)
      const count = yield* Effect.gen(function* () {
        yield* requireQueue(queue)
        return yield* act(yield* Transport, queue, which)
      }).pipe(Effect.provide(MeshBackend.transport))
      yield* print({ queue, count }, `${done}: ${count}`)
    })
  ).pipe(Command.withDescription(description))

export const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("Messages that were set aside: list, put back, throw away"),
  Command.withSubcommands([
    list,
    each("redrive", "Put letters back into their queue, as if new", "Put back", (transport, queue, which) =>
      transport.redrive(queue, which)
    ),
    each("discard", "Throw letters away", "Thrown away", (transport, queue, which) => transport.discard(queue, which))
  ])
)
