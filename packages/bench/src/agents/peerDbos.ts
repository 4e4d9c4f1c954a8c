/** The same runs with DBOS Transact, which journals steps in PostgreSQL too, in this process. */
import { DBOS } from "@dbos-inc/dbos-sdk"
import { sessions } from "./onPostgres.ts"
import * as Shape from "./Shape.ts"

const step = (index: number, text: string) =>
  DBOS.runStep(() => Promise.resolve(Shape.result(index, text)), { name: Shape.stepName(index) })

/** The peer, over the database of a URL, in a schema of its own. */
export const start = async (url: string): Promise<Shape.Side> => {
  const sequential = DBOS.registerWorkflow(
    async (text: string) => {
      for (let index = 0; index < Shape.steps; index++) await step(index, text)
    },
    { name: "sequential" }
  )
  const concurrent = DBOS.registerWorkflow(
    async (text: string) => {
      for (const round of Shape.rounds) await Promise.all(round.map((index) => step(index, text)))
    },
    { name: "concurrent" }
  )
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: url,
    systemDatabasePoolSize: sessions,
    enableOTLP: false,
    logLevel: "error"
  })
  await DBOS.launch()
  // Not called through an object, which DBOS would take for an instance of a class of its own.
  const carryOut = (kind: Shape.Kind) => (kind === "sequential" ? sequential(Shape.text) : concurrent(Shape.text))
  return { carryOut, close: () => DBOS.shutdown() }
}
