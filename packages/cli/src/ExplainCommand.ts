/** `tenon explain`: what actions may touch, and what one would do now. */
import type { Actor } from "@tenon/core/Actor"
import { CurrentActor } from "@tenon/core/Actor"
import * as Explain from "@tenon/core/Explain"
import { InvalidInput } from "@tenon/core/Failure"
import type { Registry } from "@tenon/core/Registry"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Complaint from "./Complaint.ts"
import * as ConfigFile from "./ConfigFile.ts"
import * as Output from "./Output.ts"
import { print, root } from "./Root.ts"
import * as Server from "./Server.ts"
import * as Similar from "./Similar.ts"

const action = Argument.String("action").pipe(
  Argument.withDescription("An action, as in Widget.deactivate; without one, all are listed"),
  Argument.optional
)
const key = Flag.String("key").pipe(Flag.withDescription("The object's key"), Flag.optional)
const input = Flag.String("input").pipe(
  Flag.withDescription("The input, as JSON"),
  Flag.withSchema(Schema.fromJsonString(Schema.Json)),
  Flag.withDefault({})
)
const tenant = Flag.String("tenant").pipe(Flag.withDescription("The tenant to decide for"), Flag.withDefault(""))
const roles = Flag.String("roles").pipe(
  Flag.withDescription("The caller's roles, separated by commas"),
  Flag.withDefault("admin")
)

export const explain = Command.make(
  "explain",
  { action, key, input, tenant, roles },
  Effect.fn(function* (options) {
    const { config } = yield* root
    const { registry } = yield* ConfigFile.load(config)
    if (Option.isNone(options.action)) {
      const all = Explain.analyse(registry)
      return yield* print(all, analysisTable(all))
    }
    yield* requireAction(registry, options.action.value)
    const [resource = "", name = ""] = options.action.value.split(".")
    if (options.tenant === "" && registry.resource(resource)?.tenantScoped === true) {
      // Without one there are no rows and a write fails: what would be explained is nothing that can happen.
      return yield* new InvalidInput({
        issues: [{ path: "--tenant", message: `${resource} belongs to a tenant; name it` }]
      })
    }
    const actor: Actor = {
      id: "tenon explain",
      tenantId: options.tenant,
      kind: "user",
      roles: options.roles.split(",")
    }
    const explained = yield* Explain.explain(registry, {
      resource,
      action: name,
      key: Option.getOrUndefined(options.key),
      input: options.input
    }).pipe(Effect.provideService(CurrentActor, actor), Effect.provide(Server.storeLayer(registry)))
    yield* print(explained, explanationText(explained))
    // What an action would refuse is an answer; a store that cannot be asked is none.
    if (explained.failure !== undefined && explained.failure.status >= 500) yield* Complaint.exitCode(1)
  })
).pipe(
  Command.withDescription("Show what an action would do, without doing it"),
  Command.withExamples([
    { command: "tenon explain", description: "List every action and what it may touch" },
    {
      command: "tenon explain Widget.deactivate --tenant acme --key 42",
      description: "Decide on the current state and commit nothing"
    }
  ])
)

/** Nothing is declared under this name. */
class NoSuchAction extends Schema.TaggedError<NoSuchAction>()("NoSuchAction", {
  action: Schema.String,
  hint: Schema.String
}) {
  override get message() {
    return `There is no action ${this.action}. ${this.hint}`
  }
}

const requireAction = (registry: Registry, action: string) => {
  const names = Explain.analyse(registry).map((each) => each.action)
  return names.includes(action) ? Effect.void : Effect.fail(new NoSuchAction({ action, hint: hintFor(action, names) }))
}

const hintFor = (action: string, names: ReadonlyArray<string>): string => {
  const own = names.filter((name) => name.startsWith(`${action.split(".")[0]}.`))
  const similar = Similar.to(action, names)
  if (similar.length > 0) return `Did you mean ${similar.join(" or ")}?`
  return own.length > 0 ? `Those of ${action.split(".")[0]} are ${own.join(", ")}.` : "`tenon explain` lists them."
}

const analysisTable = (all: ReadonlyArray<Explain.Analysis>) =>
  Output.table(
    ["ACTION", "KIND", "RUNS", "WHO", "MAY FAIL WITH", "TOUCHES"],
    all.map((each) => [
      each.action,
      each.kind,
      `${each.exclusive ? "exclusive" : "shared"}${each.durable ? ", durable" : ""}`,
      each.policy,
      each.failures.join(", ") || "-",
      each.touches.join("; ") || "-"
    ])
  )

const explanationText = (explained: Explain.Explanation) =>
  [
    `${explained.action} (${explained.kind})`,
    `policy: ${explained.decision.allowed ? "allowed" : "denied"}, ${explained.decision.reason}`,
    `row now: ${explained.self === undefined ? "none" : JSON.stringify(explained.self)}`,
    ...(explained.failure === undefined ? [] : [`fails: ${explained.failure.status} ${explained.failure.message}`]),
    ...explained.changes.map(({ change, resource, row }) => `would ${change} ${resource}: ${JSON.stringify(row)}`),
    ...explained.deliveries.map((each) => `then ${JSON.stringify(each)}`),
    ...explained.events.map(({ name, payload }) => `emits ${name}: ${JSON.stringify(payload)}`),
    "nothing was committed"
  ].join("\n")
