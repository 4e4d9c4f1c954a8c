/** `tenon deploy kubernetes`: writes what runs a mesh on Kubernetes, and has kubectl apply it where asked. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import * as ConfigFile from "./ConfigFile.ts"
import * as KubernetesManifests from "./KubernetesManifests.ts"
import * as Output from "./Output.ts"
import { print, root } from "./Root.ts"

/** kubectl is not there or did not apply. */
class KubectlFailed extends Schema.TaggedError<KubectlFailed>()("KubectlFailed", { message: Schema.String }) {}

const scaling = /^(\d{1,4}),(\d{1,4}),(\d{1,3})$/

const hpa = Flag.String("hpa").pipe(
  Flag.withDescription(
    "Scale each activity: min,max,cpu as in 1,10,70, the load in percent of the processors asked for"
  ),
  Flag.filter(
    (text) => scaling.test(text),
    () => "--hpa takes min,max,cpu as in 1,10,70"
  ),
  Flag.map((text): KubernetesManifests.Autoscaling => {
    const [, min, max, cpuPercent] = scaling.exec(text) ?? []
    return { min: Number(min), max: Number(max), cpuPercent: Number(cpuPercent) }
  }),
  Flag.optional
)

const kubernetes = Command.make(
  "kubernetes",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The mesh, by the path that it has here and from the image's working directory")
    ),
    image: Flag.String("image").pipe(Flag.withDescription("The image that holds the mesh and all it needs")),
    command: Flag.String("command").pipe(
      Flag.withDescription("What starts tenon in the image; may be repeated for its arguments"),
      Flag.atLeast(0)
    ),
    namespace: Flag.String("namespace").pipe(Flag.withDescription("Default: kubectl's own"), Flag.optional),
    replicas: Flag.Int("replicas").pipe(Flag.withDescription("Pods for each activity"), Flag.withDefault(1)),
    hpa,
    secret: Flag.String("secret").pipe(
      Flag.withDescription("The Secret that holds the environment; default `<title>-env`"),
      Flag.optional
    ),
    grace: Flag.String("grace").pipe(
      Flag.withDescription("How long steps in hand may take when a pod is to stop"),
      Flag.withSchema(Schema.DurationFromString),
      Flag.withDefault(Duration.seconds(20))
    ),
    cpu: Flag.String("cpu").pipe(Flag.withDescription("Processors that a pod asks for"), Flag.withDefault("100m")),
    memory: Flag.String("memory").pipe(
      Flag.withDescription("Memory that a pod asks for and is held to"),
      Flag.withDefault("384Mi")
    ),
    out: Flag.String("out").pipe(Flag.withDescription("Write to this file instead of printing"), Flag.optional),
    apply: Flag.Boolean("apply").pipe(Flag.withDescription("Have kubectl apply it"), Flag.withDefault(false))
  },
  Effect.fn(function* ({ apply, command, file, grace, hpa, image, namespace, out, secret, ...options }) {
    const { json } = yield* root
    const { activities, title } = yield* ConfigFile.loadMesh(file)
    const wanted: KubernetesManifests.Options = {
      ...options,
      title,
      activities,
      file,
      image,
      command: command.length === 0 ? ["node_modules/.bin/tenon"] : command,
      namespace: Option.getOrUndefined(namespace),
      autoscaling: Option.getOrUndefined(hpa),
      secret: Option.getOrElse(secret, () => `${KubernetesManifests.nameOf(title)}-env`),
      graceSeconds: Math.ceil(Duration.toSeconds(grace))
    }
    const problems = KubernetesManifests.problemsOf(wanted)
    if (problems.length > 0) return yield* new KubernetesManifests.InvalidDeployment({ problems })
    const manifests = KubernetesManifests.make(wanted)
    const text = json ? `${JSON.stringify(listOf(manifests))}\n` : KubernetesManifests.toYaml(manifests)
    if (Option.isSome(out)) yield* Output.write(out.value, text)
    if (apply) return yield* applied(text, wanted.namespace)
    return Option.isSome(out)
      ? yield* print({ file: out.value, objects: manifests.length }, `Wrote ${out.value}`)
      : yield* Console.log(text.trimEnd())
  })
).pipe(
  Command.withDescription("Write a Deployment for each activity, with all that belongs to it"),
  Command.withExamples([
    { command: "tenon deploy kubernetes order.mesh.ts --image orders:1.4.2", description: "Print the manifests" },
    {
      command: "tenon deploy kubernetes order.mesh.ts --image orders:1.4.2 --hpa 2,10,70 --apply",
      description: "Apply them"
    }
  ])
)

const listOf = (items: ReadonlyArray<KubernetesManifests.Manifest>) => ({ apiVersion: "v1", kind: "List", items })

/** kubectl says itself what it did, and what went wrong. */
const applied = (text: string, namespace: string | undefined) =>
  Effect.callback<void, KubectlFailed>((resume) => {
    const scope = namespace === undefined ? [] : ["--namespace", namespace]
    const child = spawn("kubectl", ["apply", ...scope, "-f", "-"], { stdio: ["pipe", "inherit", "inherit"] })
    const failed = (message: string) => resume(Effect.fail(new KubectlFailed({ message })))
    child.once("error", (error: NodeJS.ErrnoException) =>
      failed(
        error.code === "ENOENT"
          ? "There is no kubectl on the PATH; install it, or have what `tenon deploy kubernetes` prints applied elsewhere."
          : `kubectl could not be run: ${error.message}`
      )
    )
    child.once("close", (code) => (code === 0 ? resume(Effect.void) : failed(`kubectl ended with exit code ${code}.`)))
    // One that ends early has said why.
    child.stdin.on("error", () => undefined)
    child.stdin.end(text)
    return Effect.sync(() => child.kill("SIGTERM"))
  })

export const deploy = Command.make("deploy").pipe(
  Command.withDescription("Write what runs a mesh elsewhere"),
  Command.withSubcommands([kubernetes])
)
