/**
 * Runs the command `tenon` in this process, for suites that walk through many commands; it answers as a process would.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CommandLine from "@tenon/cli/CommandLine"
import * as Complaint from "@tenon/cli/Complaint"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { format } from "node:util"
import type { Answer } from "./TenonProcess.ts"

/** Runs a command to its end, with this environment alone. */
export const tenon = (
  args: ReadonlyArray<string>,
  env: { readonly [name: string]: string }
): Effect.Effect<Answer, never, never> =>
  Effect.suspend(() => {
    const said = { stdout: "", stderr: "" }
    const console: Console.Console = {
      ...globalThis.console,
      log: (...words: ReadonlyArray<unknown>) => void (said.stdout += `${format(...words)}\n`),
      error: (...words: ReadonlyArray<unknown>) => void (said.stderr += `${format(...words)}\n`)
    }
    return CommandLine.perform(args).pipe(
      Effect.match({
        onSuccess: (): Answer => ({ code: 0, ...said }),
        onFailure: (failure): Answer => ({ code: 1, ...said, stderr: `${said.stderr}${Complaint.wordsFor(failure)}\n` })
      }),
      Effect.provideService(Console.Console, console),
      Effect.provide([NodeServices.layer, FetchHttpClient.layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))])
    )
  })
