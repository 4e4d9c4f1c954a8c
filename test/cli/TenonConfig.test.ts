import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Field from "@tenon/core/Field"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

const Run = Workflow.make("Run", { input: {} })
const Other = Workflow.make("Other", { input: {} })
const Thing = Resource.make("Thing", { fields: { id: Field.Id }, actions: () => ({}) })
const registry = Registry.make({ resources: [Thing], workflows: [Run, Other] })
const workflows = Workflow.layer(Workflow.implement(Run, () => Effect.void))

describe("a workflow that is declared and has no program", () => {
  const built = (elsewhere?: ReadonlyArray<string>) => {
    const config = TenonConfig.define({
      directory: ".",
      registry,
      workflows,
      ...(elsewhere === undefined ? {} : { workflowsElsewhere: elsewhere })
    })
    return Effect.map(Workflow.Workflows, (programs) => [...programs.keys()]).pipe(
      Effect.provide(Layer.provide(TenonConfig.programs(config), MemoryStore.layer(registry)))
    )
  }

  it.effect("keeps an application from starting, unless another service runs it", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(built())
      assert.include(failure.message, "No program is given for Other: ")
      assert.deepStrictEqual(yield* built(["Other"]), ["Run"])
    })
  )

  it.effect("is told of as a runtime starts", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      yield* Layer.build(Layer.provide(Testing.layer(registry, { workflows }), log))
      assert.strictEqual(lines.filter((each) => each.includes("no program for Other:")).length, 1, lines.join())
    })
  )
})
