/** What an agent keeps from run to run, for a tenant: values by key, the same in all of its threads. */
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Resource from "@tenon/core/Resource"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Content from "./Content.ts"
import { type Run, settled } from "./RunSetting.ts"

const maxValue = 100_000

const Name = Schema.NonEmptyString.check(Schema.isMaxLength(100))

const Value = Content.jsonUpTo(maxValue)

/** One value; its key is the agent's name and the key under which the agent keeps it. */
export const AgentMemory = Resource.make("AgentMemory", {
  table: "agent_memory",
  fields: {
    id: Field.Id,
    agent: Schema.String,
    name: Name,
    value: Value,
    /** The run that kept it. */
    run: Schema.String,
    createdAt: Field.CreatedAt,
    updatedAt: Field.UpdatedAt
  },
  identities: { name: ["agent", "name"] },
  actions: (on) => ({
    remember: on.action(
      {
        policy: Policy.nobody,
        self: "optional",
        input: { agent: Schema.String, name: Name, value: Value, run: Schema.String }
      },
      ({ input, self }, { key }) => on.save({ ...self, ...input, id: key }).pipe(Outcome.as(undefined))
    ),
    /** An action and not a read, since there may be no row. */
    recall: on.action(
      { policy: Policy.nobody, self: "optional", output: Schema.Struct({ value: Schema.optionalKey(Schema.Json) }) },
      ({ self }) => Outcome.succeed(self === undefined ? {} : { value: self.value })
    ),
    forget: on.destroy({ description: "Removes what an agent keeps under this key." })
  })
})

const keyOf = (agent: string, name: string) => `${agent}/${name}`

/** Keeps a value for later runs of the agent. */
export const remember = ({ agent, durable }: Run, name: string, value: Schema.Json): Effect.Effect<void> =>
  settled(durable.call(AgentMemory.actions.remember, keyOf(agent, name), { agent, name, value, run: durable.key }))

/** What was kept under a key; `undefined` where nothing was. */
export const recall = ({ agent, durable }: Run, name: string): Effect.Effect<Schema.Json | undefined> =>
  Effect.map(settled(durable.call(AgentMemory.actions.recall, keyOf(agent, name), {})), ({ value }) => value)
