/** Puts the commands together and runs the one that is meant. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as HttpClient from "effect/http/HttpClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Complaint from "./Complaint.ts"
import * as Environment from "./Environment.ts"
import { root } from "./Root.ts"

const commands = {
  dev: () => import("./DevCommand.ts").then(({ dev }) => dev),
  agent: () => import("./AgentCommand.ts").then(({ agent }) => agent),
  run: () => import("./RunCommand.ts").then(({ run }) => run),
  deploy: () => import("./DeployCommand.ts").then(({ deploy }) => deploy),
  slip: () => import("./SlipCommand.ts").then(({ slip }) => slip),
  key: () => import("./KeyCommand.ts").then(({ key }) => key),
  migrate: () => import("./MigrateCommand.ts").then(({ migrate }) => migrate),
  explain: () => import("./ExplainCommand.ts").then(({ explain }) => explain),
  doctor: () => import("./DoctorCommand.ts").then(({ doctor }) => doctor)
}

/** Only what may be meant is loaded, since a mesh holds as many of these processes as it has activities. */
const load = (args: ReadonlyArray<string>) => {
  const all = Object.entries(commands)
  const named = all.filter(([name]) => args.includes(name))
  return Promise.all((named.length === 0 ? all : named).map(([, command]) => command()))
}

/** Does what a command line says. */
export const perform = (
  args: ReadonlyArray<string>
): Effect.Effect<void, unknown, Command.Environment | HttpClient.HttpClient> =>
  Effect.flatMap(
    Effect.promise(() => load(args)),
    (loaded) => Command.runWith(Command.withSubcommands(root, loaded), { version: "0.1.0" })(args)
  )

type Performed = ReturnType<typeof perform>

/** Runs a command line in a process of its own; `around` is for tests that listen to what happens in it. */
export const main = (args: ReadonlyArray<string>, around: (command: Performed) => Performed = identity): void =>
  around(perform(args)).pipe(
    Effect.provide(ConfigProvider.layer(Environment.provider)),
    Effect.catch(Complaint.report),
    Effect.provide([NodeServices.layer, FetchHttpClient.layer]),
    // What a command prints is its answer, to be read by machines too; what happens on the way goes beside it.
    Effect.provideService(References.LogToStderr, true),
    NodeRuntime.runMain({
      // A command that was asked to stop and did so in order has said that this is a success.
      teardown: (exit, done) =>
        Runtime.defaultTeardown(exit, (code) => done(code === 130 && process.exitCode === 0 ? 0 : code))
    })
  )
