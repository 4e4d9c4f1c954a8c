/**
 * The application that is measured, as a process of its own, configured by the environment as any Tenon application.
 * `MEMORY_PORT` answers with the memory in use, garbage collected.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Server from "@tenon/cli/Server"
import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryPort from "../MemoryPort.ts"
import { registry, workflows } from "./Programs.ts"

MemoryPort.serve()

const config = TenonConfig.define({ directory: import.meta.dirname, registry, workflows })
const ready = Layer.effectDiscard(Effect.sync(() => process.stdout.write("ready\n")))
NodeRuntime.runMain(Layer.launch(ready.pipe(Layer.provideMerge(Server.layer(config)))))
