/** Supervises scripts of this directory's test until it is killed; prints what it is told, one JSON value a line. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Complaint from "@tenon/cli/Complaint"
import * as SecondSignal from "@tenon/cli/SecondSignal"
import * as Supervisor from "@tenon/cli/Supervisor"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const scripts: ReadonlyArray<{ readonly name: string; readonly script: string }> = JSON.parse(process.argv[2] ?? "[]")
const running = new Supervisor.Running()

Effect.gen(function* () {
  yield* SecondSignal.install({ atMost: 15_000, now: () => running.killAll() })
  return yield* Supervisor.supervise(
    scripts.map(({ name, script }) => ({
      name,
      file: process.execPath,
      args: ["--input-type=module", "--eval", script],
      env: process.env
    })),
    {
      delay: Duration.millis(50),
      maxDelay: Duration.seconds(1),
      maxEnds: 4,
      window: Duration.minutes(1),
      grace: Duration.seconds(10)
    },
    running,
    (note) => process.stdout.write(`${JSON.stringify(note)}\n`)
  )
}).pipe(Effect.scoped, Effect.catch(Complaint.report), NodeRuntime.runMain)
