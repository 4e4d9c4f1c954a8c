/**
 * The application that is measured, as a process of its own: `node ours.ts [resources]`, configured by the environment
 * as any Tenon application. With a number it serves that many generated resources instead. `MEMORY_PORT`: see there.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Server from "@tenon/cli/Server"
import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryPort from "../MemoryPort.ts"
import { many, registry } from "./Domain.ts"

if (process.env["MEMORY_PORT"] !== undefined) MemoryPort.serve()

const count = Number(process.argv[2] ?? 0)
const config = TenonConfig.define({
  directory: import.meta.dirname,
  registry: count > 0 ? many(count) : registry
})

const ready = Layer.effectDiscard(Effect.sync(() => process.stdout.write("ready\n")))
NodeRuntime.runMain(Layer.launch(ready.pipe(Layer.provideMerge(Server.layer(config)))))
