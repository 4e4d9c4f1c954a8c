/**
 * The same runs by hand on Restate's own SDK, as a process of its own: `node peerRestate.ts`, with PORT and
 * RESTATE_IDENTITY_KEY.
 */
import { createServer } from "node:http2"
import * as restate from "@restatedev/restate-sdk"
import * as Shape from "./Shape.ts"

const step = (context: restate.WorkflowContext, index: number, text: string) =>
  context.run(Shape.stepName(index), () => Promise.resolve(Shape.result(index, text)))

interface Input {
  readonly text: string
}

const sequential = restate.workflow({
  name: "PeerSequential",
  handlers: {
    run: async (context: restate.WorkflowContext, { text }: Input) => {
      for (let index = 0; index < Shape.steps; index++) await step(context, index, text)
    }
  }
})

const concurrent = restate.workflow({
  name: "PeerConcurrent",
  handlers: {
    run: async (context: restate.WorkflowContext, { text }: Input) => {
      for (const round of Shape.rounds) {
        await restate.RestatePromise.all(round.map((index) => step(context, index, text)))
      }
    }
  }
})

const handler = restate.createEndpointHandler({
  services: [sequential, concurrent],
  identityKeys: [process.env["RESTATE_IDENTITY_KEY"] ?? ""],
  logger: () => undefined
})
createServer(handler).listen(Number(process.env["PORT"]), "127.0.0.1", () => process.stdout.write("ready\n"))
