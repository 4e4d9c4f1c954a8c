#!/usr/bin/env node
/** The command `tenon`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { agent } from "./AgentCommand.ts"
import * as Complaint from "./Complaint.ts"
import { dev } from "./DevCommand.ts"
import { doctor } from "./DoctorCommand.ts"
import * as Environment from "./Environment.ts"
import { explain } from "./ExplainCommand.ts"
import { migrate } from "./MigrateCommand.ts"
import { root } from "./Root.ts"

root.pipe(
  Command.withSubcommands([dev, agent, migrate, explain, doctor]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(ConfigProvider.layer(Environment.provider)),
  Effect.catch(Complaint.report),
  Effect.provide([NodeServices.layer, FetchHttpClient.layer]),
  // What a command prints is its answer, to be read by machines too; what happens on the way goes beside it.
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain
)
