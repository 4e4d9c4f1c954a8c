/** `tenon agent record | replay`: what a run has done, from its journal, and what today's program would do. */
import { AgentRun, inputOf, RunAgent } from "@tenon/agents/AgentRun"
import { type Actor, CurrentActor } from "@tenon/core/Actor"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Repository from "@tenon/core/Repository"
import * as RunEventsMemory from "@tenon/core/RunEventsMemory"
import * as RunReplay from "@tenon/core/RunReplay"
import { Workflows } from "@tenon/core/Workflow"
import * as RunJournalSql from "@tenon/sql/RunJournalSql"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as ConfigFile from "./ConfigFile.ts"
import * as Output from "./Output.ts"
import { print, root } from "./Root.ts"
import * as Server from "./Server.ts"

const run = Argument.String("run").pipe(Argument.withDescription("The key of a run"))
const tenant = Flag.String("tenant").pipe(
  Flag.withDescription("Whose run it is"),
  Flag.withFallbackConfig(Config.String("TENON_TENANT"))
)

/** There is nothing of a run to record yet. */
export class NotBegun extends Schema.TaggedError<NotBegun>()("NotBegun", { run: Schema.String }) {
  override get message() {
    return `The run ${this.run} has not begun, or nothing is recorded of it yet; try again once it has.`
  }
}

/** Straight from the database, as an operator who has access to it: the key of the API is not asked for. */
const recorded = Effect.fnUntraced(function* (config: string, tenantId: string, key: string) {
  const { registry } = yield* ConfigFile.load(config)
  const operator: Actor = { id: "tenon", tenantId, kind: "user", roles: ["admin"] }
  return yield* Effect.gen(function* () {
    const repository = yield* Repository.Repository
    const row = yield* repository.get(AgentRun, key)
    const input = yield* Effect.orDie(Schema.encodeEffect(Schema.toCodecJson(RunAgent.input))(inputOf(row)))
    const recording = yield* RunReplay.record({ tenantId, workflow: RunAgent.name, key }, input)
    return recording ?? (yield* new NotBegun({ run: key }))
  }).pipe(
    Effect.provideService(CurrentActor, operator),
    Effect.provide(
      Layer.provideMerge(Layer.mergeAll(Repository.layer, RunJournalSql.layer), Server.storeLayer(registry))
    )
  )
})

export const record = Command.make(
  "record",
  { run, tenant },
  Effect.fn(function* (options) {
    const { config } = yield* root
    yield* Output.print(true, yield* recorded(config, options.tenant, options.run), "")
  })
).pipe(
  Command.withDescription("Print a run's journal as JSON, for `replay`. It holds the run's data: keep it as such"),
  Command.withExamples([{ command: "tenon agent record 01a1 --tenant acme > run.json", description: "Keep a run" }])
)

/** A recording does not fit the program. */
export class ReplayDiffers extends Schema.TaggedError<ReplayDiffers>()("ReplayDiffers", {
  count: Schema.Int,
  of: Schema.Int
}) {
  override get message() {
    return `${this.count} of ${this.of} recorded runs would not go on with this program.`
  }
}

/** The application has no program for a recorded workflow. */
export class NoProgram extends Schema.TaggedError<NoProgram>()("NoProgram", { workflow: Schema.String }) {
  override get message() {
    return `The application has no program for the workflow ${this.workflow}.`
  }
}

/** A file is not what `record` printed. */
export class NotARecording extends Schema.TaggedError<NotARecording>()("NotARecording", { file: Schema.String }) {
  override get message() {
    return `${this.file} holds no recording of a run; make one with \`tenon agent record\`.`
  }
}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(RunReplay.Recording))

const read = (file: string) =>
  Effect.try({ try: () => readFileSync(file, "utf8"), catch: () => new NotARecording({ file }) }).pipe(
    Effect.flatMap((text) => Effect.mapError(decode(text), () => new NotARecording({ file })))
  )

const sentence = (replayed: RunReplay.Replayed): string => {
  switch (replayed._tag) {
    case "Same":
      return `the same, ${replayed.operations} operations`
    case "Differs":
      return `differs at operation ${replayed.index}: ${replayed.expected} was recorded, ${replayed.found} is there now`
    case "Fails":
      return `fails: ${replayed.problem}`
  }
}

export const replay = Command.make(
  "replay",
  { files: Argument.String("file").pipe(Argument.withDescription("What `record` printed"), Argument.atLeast(1)) },
  Effect.fn(function* ({ files }) {
    const { config } = yield* root
    const { registry, workflows } = yield* ConfigFile.load(config)
    // A replay runs no step, so nothing is read of this store.
    const unused = Layer.merge(MemoryStore.layer(registry), RunEventsMemory.layer)
    const programs = yield* Effect.provide(Workflows, Layer.provide(workflows, unused))
    const replays: Array<{ readonly file: string } & RunReplay.Replayed> = []
    for (const file of files) {
      const recording = yield* read(file)
      const program = programs.get(recording.workflow)
      if (program === undefined) return yield* new NoProgram({ workflow: recording.workflow })
      replays.push({ file, ...(yield* RunReplay.check(program, recording)) })
    }
    const text = replays.map((each) => `${each.file}: ${sentence(each)}`).join("\n")
    yield* print(replays, text)
    const count = replays.filter(({ _tag }) => _tag !== "Same").length
    if (count > 0) return yield* Effect.fail(new ReplayDiffers({ count, of: files.length }))
  })
).pipe(
  Command.withDescription("Hold recorded runs against the programs as they are now; exit 1 where one differs"),
  Command.withExamples([{ command: "tenon agent replay runs/*.json", description: "Check before a release" }])
)
