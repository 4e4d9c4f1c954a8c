/** `tenon slip`: what became of slips, and what an operator may do about them. */
import { type Actor, CurrentActor } from "@tenon/core/Actor"
import { NotFound } from "@tenon/core/Failure"
import { HopStore, type RecordedEvent } from "@tenon/routing-slip/HopStore"
import * as SlipRepository from "@tenon/routing-slip/SlipRepository"
import * as SlipView from "@tenon/routing-slip/SlipView"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { activities } from "./ActivitiesCommand.ts"
import { deadLetters } from "./DeadLettersCommand.ts"
import * as FreshToken from "./FreshToken.ts"
import { InstantText } from "./InstantText.ts"
import * as MeshBackend from "./MeshBackend.ts"
import { describe } from "./DescribeCommand.ts"
import * as Output from "./Output.ts"
import * as Printable from "./Printable.ts"
import { print, root } from "./Root.ts"
import { verify } from "./VerifyCommand.ts"

const tenant = Flag.String("tenant").pipe(
  Flag.withDescription("Whose slips"),
  Flag.withFallbackConfig(Config.String("TENON_TENANT")),
  Flag.withDefault("default")
)
const by = Flag.String("by").pipe(
  Flag.withDescription("Who asks, for the slip's events"),
  Flag.withFallbackConfig(Config.String("USER")),
  Flag.withDefault("operator")
)
const correlationId = Argument.String("correlation-id").pipe(Argument.withDescription("The slip"))

const repository = SlipRepository.layer.pipe(Layer.provideMerge(MeshBackend.store))

const actorOf = (tenantId: string, id: string): Actor => ({ id, tenantId, kind: "user", roles: ["admin"] })

/** As an operator with access to the database: the roles of the API are for those without. */
const asOperator =
  ({ by = "operator", tenant }: { readonly tenant: string; readonly by?: string }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provideService(CurrentActor, actorOf(tenant, by)), Effect.provide(repository))

const instant = (millis: number | null): string => (millis === null ? "" : new Date(millis).toISOString())
const took = (from: number | null, to: number | null): string =>
  from === null || to === null ? "" : `${Math.max(0, to - from)} ms`

const optionalInstant = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withSchema(InstantText),
    Flag.map(DateTime.toEpochMillis),
    Flag.optional
  )

const list = Command.make(
  "list",
  {
    tenant,
    status: Flag.Literals("status", SlipView.Status.literals).pipe(
      Flag.withDescription("Only those that stand so"),
      Flag.optional
    ),
    activity: Flag.String("activity").pipe(
      Flag.withDescription("Only those with this activity at hand, or last"),
      Flag.optional
    ),
    since: optionalInstant("since", "Only those that changed at or after this instant (ISO 8601)"),
    until: optionalInstant("until", "Only those that changed before this instant"),
    limit: Flag.Int("limit").pipe(Flag.withDescription("How many, at most"), Flag.withDefault(50)),
    after: Flag.String("after").pipe(Flag.withDescription("`next` of the page before"), Flag.optional)
  },
  Effect.fn(function* ({ limit, tenant, ...filter }) {
    const page = yield* Effect.flatMap(SlipRepository.SlipRepository, (slips) =>
      slips.list({
        limit,
        status: Option.getOrUndefined(filter.status),
        activity: Option.getOrUndefined(filter.activity),
        since: Option.getOrUndefined(filter.since),
        until: Option.getOrUndefined(filter.until),
        after: Option.getOrUndefined(filter.after)
      })
    ).pipe(asOperator({ tenant }))
    const rows = page.items.map((each) => [each.correlationId, each.status, each.activity, instant(each.updatedAt)])
    const more = page.next === null ? "" : `\n\nMore: --after ${page.next}`
    yield* print(page, Output.table(["SLIP", "STATUS", "ACTIVITY", "CHANGED"], rows) + more)
  })
).pipe(Command.withDescription("List slips, the newest first"))

const show = Command.make(
  "show",
  { correlationId, tenant },
  Effect.fn(function* ({ correlationId, tenant }) {
    const view = yield* Effect.flatMap(SlipRepository.SlipRepository, (slips) => slips.show(correlationId)).pipe(
      asOperator({ tenant })
    )
    yield* print(view, textOf(view))
  })
).pipe(Command.withDescription("Show a slip's path with times, faults and compensations"))

const textOf = (view: SlipView.View): string => {
  const rows = view.path.map((each) => [
    each.step,
    each.activity,
    each.state,
    took(each.sentAt, each.endedAt),
    each.failures === 0 ? "" : String(each.failures),
    each.problem ?? ""
  ])
  return [
    `slip:     ${view.correlationId}`,
    `status:   ${view.status}`,
    `started:  ${instant(view.startedAt)}`,
    `changed:  ${instant(view.updatedAt)}`,
    ...(view.deadline === null ? [] : [`deadline: ${instant(view.deadline)}`]),
    ...(view.fault === null
      ? []
      : [Printable.line(`fault:    ${view.fault.error} at ${view.fault.activity}: ${view.fault.message}`)]),
    "",
    Output.table(["STEP", "ACTIVITY", "STATE", "TOOK", "FAILURES", "PROBLEM"], rows)
  ].join("\n")
}

/** The slip came to an end, but not where it was to go. */
class EndedBadly extends Schema.TaggedError<EndedBadly>()("EndedBadly", {
  correlationId: Schema.String,
  status: Schema.String
}) {
  override get message() {
    return `The slip ${this.correlationId} is ${this.status}.`
  }
}

const lineOf = ({ activity, at, detail, step, type }: RecordedEvent) =>
  Printable.line([instant(at), type.padEnd(12), step === "0" ? "" : `${step} ${activity}`, detail].join("  ").trimEnd())

const watch = Command.make(
  "watch",
  { correlationId, tenant },
  Effect.fn(function* ({ correlationId, tenant }) {
    const { json } = yield* root
    const status = yield* Effect.gen(function* () {
      const slips = yield* SlipRepository.SlipRepository
      yield* slips
        .watch(correlationId)
        .pipe(Stream.runForEach((event) => Console.log(json ? JSON.stringify(event) : lineOf(event))))
      return (yield* slips.show(correlationId)).status
    }).pipe(asOperator({ tenant }))
    yield* print({ correlationId, status }, status)
    if (status !== "completed" && status !== "terminated") return yield* new EndedBadly({ correlationId, status })
  })
).pipe(
  Command.withDescription("Follow a slip to its end; with --json, a line for each event. Fails where it ends badly")
)

const resume = Command.make(
  "resume",
  {
    correlationId,
    tenant,
    by,
    tokenFile: Flag.String("token-file").pipe(
      Flag.withDescription("A fresh token of the slip's user, for its suspended step: a file, or - for standard input"),
      Flag.optional
    )
  },
  Effect.fn(function* ({ by, correlationId, tenant, tokenFile }) {
    const { json } = yield* root
    if (Option.isNone(tokenFile)) {
      yield* Effect.flatMap(SlipRepository.SlipRepository, (slips) => slips.resume(correlationId)).pipe(
        asOperator({ tenant, by })
      )
    } else {
      const token = yield* FreshToken.read(tokenFile.value)
      yield* Effect.flatMap(SlipRepository.SlipRepository, (slips) => slips.reauthorise(correlationId, token)).pipe(
        asOperator({ tenant, by }),
        Effect.provide(FreshToken.layer)
      )
    }
    yield* Output.print(json, { correlationId, resume: true }, "It will be tried again.")
  })
).pipe(
  Command.withDescription("Have a halted compensation, or a suspended step, tried again"),
  Command.withExamples([
    { command: "tenon slip resume 0193… --token-file token.txt", description: "With a fresh token of its user" }
  ])
)

const skip = Command.make(
  "skip",
  {
    correlationId,
    tenant,
    by,
    step: Flag.String("step").pipe(
      Flag.withDescription("Which halted step, as `show` names it. Default: the only one"),
      Flag.optional
    )
  },
  Effect.fn(function* ({ by, correlationId, step, tenant }) {
    yield* Effect.flatMap(SlipRepository.SlipRepository, (slips) =>
      slips.skip(correlationId, Option.getOrUndefined(step))
    ).pipe(asOperator({ tenant, by }))
    yield* print({ correlationId, skip: true }, "It is skipped; the rest will be undone.")
  })
).pipe(
  Command.withDescription("Give a halted compensation up; the rest is undone"),
  Command.withExamples([
    { command: "tenon slip skip 0193… --step 3.1.1", description: "Where several branches are halted" }
  ])
)

const cancel = Command.make(
  "cancel",
  { correlationId, tenant, by },
  Effect.fn(function* ({ by, correlationId, tenant }) {
    yield* Effect.flatMap(SlipRepository.SlipRepository, (slips) => slips.cancel(correlationId)).pipe(
      asOperator({ tenant, by })
    )
    yield* print(
      { correlationId, cancel: true },
      "It will do no further step. What is halted still needs resume or skip."
    )
  })
).pipe(
  Command.withDescription(
    "Have a slip do no further step and turn back; a halted compensation still needs resume or skip"
  )
)

const exportSlip = Command.make(
  "export",
  {
    correlationId,
    tenant,
    out: Flag.String("out").pipe(Flag.withDescription("Write it there, for its owner only to read"), Flag.optional)
  },
  Effect.fn(function* ({ correlationId, out, tenant }) {
    const record = yield* Effect.flatMap(HopStore, (store) => store.slip(tenant, correlationId)).pipe(
      Effect.provide(MeshBackend.store)
    )
    if (record === undefined) return yield* new NotFound({ resource: "Slip", key: correlationId })
    if (Option.isNone(out)) return yield* Console.log(new TextDecoder().decode(record.body))
    return yield* Output.write(out.value, record.body, { secret: true })
  })
).pipe(
  Command.withDescription(
    "Write a slip's newest message, whole, for `verify`. It holds arguments and tokens: keep it safe"
  )
)

export const slip = Command.make("slip").pipe(
  Command.withDescription("List, show, follow and steer routing slips; verify them offline; look after dead letters"),
  Command.withExamples([
    { command: "tenon slip list --status halted", description: "Slips that wait for an operator" },
    { command: "tenon slip watch 0193…", description: "Follow one to its end" }
  ]),
  Command.withSubcommands([
    list,
    show,
    watch,
    resume,
    skip,
    cancel,
    exportSlip,
    verify,
    activities,
    describe,
    deadLetters
  ])
)
