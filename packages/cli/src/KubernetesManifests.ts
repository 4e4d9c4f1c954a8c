/**
 * The objects that run a mesh on Kubernetes: one image, and for each activity a Deployment that performs it alone, so
 * that each is scaled, restarted and limited apart from the others. Pure: nothing is read and nothing is sent.
 */
import * as Envelope from "@tenon/routing-slip/Envelope"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { stringify } from "yaml"
import type { MeshActivity } from "./MeshConfig.ts"

/** When a Deployment is scaled, by the processors' load in percent of what was requested. */
export interface Autoscaling {
  readonly min: number
  readonly max: number
  readonly cpuPercent: number
}

/** How a mesh is to run. */
export interface Options {
  readonly title: string
  readonly activities: ReadonlyArray<MeshActivity>
  /** The mesh's file, as its path is in the image. */
  readonly file: string
  readonly image: string
  /** What starts `tenon` in the image. */
  readonly command: ReadonlyArray<string>
  readonly namespace: string | undefined
  readonly replicas: number
  readonly autoscaling: Autoscaling | undefined
  /** The Secret whose entries become the environment: `DATABASE_URL`, `TRANSPORT` and the rest. */
  readonly secret: string
  /** How long steps in hand may take when a pod is to stop. */
  readonly graceSeconds: number
  readonly cpu: string
  readonly memory: string
}

/** An object of Kubernetes. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly [member: string]: unknown }
  readonly [member: string]: unknown
}

/** The options cannot become manifests. */
export class InvalidDeployment extends Schema.TaggedError<InvalidDeployment>()("InvalidDeployment", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `This cannot be deployed: ${this.problems.join("; ")}.`
  }
}

const healthPort = 8080
/** How long a pod waits, once it is to stop, for whoever watches it to notice. */
const preStopSeconds = 2
/** What stopping may take besides draining. */
const marginSeconds = 10
/** `tenon run` takes no longer one. */
const mostGraceSeconds = 86_400
/** Nobody in particular, and not root. */
const user = 65_532

const maxName = 63
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** A name as RFC 1123 wants subdomains: labels with dots between them. */
const isSubdomain = (text: string) =>
  text.length <= 253 && text.split(".").every((part) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(part))
const cpuQuantity = /^(?=.*[1-9])(\d+m|\d+(\.\d+)?)$/
/** Of memory there are no thousandths, and a thousand bytes are `k`. */
const memoryQuantity = /^(?=.*[1-9])\d+(\.\d+)?([kMGTPE]|[KMGTPE]i)?$/

const registryHost = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?$/
const imagePath = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/
const imageTag = /^\w[\w.-]{0,127}$/
const imageDigest = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Whether it names an image: a registry perhaps, a path, perhaps a tag, perhaps a digest. */
const isImage = (text: string): boolean => {
  const [named = "", digest, ...more] = text.split("@")
  const [, name = "", tag] = /^(.*?)(?::([^:/]*))?$/.exec(named) ?? []
  const [first = "", ...rest] = name.split("/")
  // The first part is a host where it could be no path: it has a dot, a port or a capital.
  const hasHost = rest.length > 0 && (/[.:A-Z]/.test(first) || first === "localhost")
  const path = hasHost ? rest : [first, ...rest]
  return (
    more.length === 0 &&
    name.length <= 255 &&
    (!hasHost || registryHost.test(first)) &&
    path.every((part) => imagePath.test(part)) &&
    (tag === undefined || imageTag.test(tag)) &&
    (digest === undefined || imageDigest.test(digest))
  )
}
const isActivity = Schema.is(Envelope.ActivityName)

/**
 * A name as RFC 1123 wants labels: lower-case letters, digits and inner hyphens, 63 at most. Two lists of as many parts
 * never get one name: parts are joined as they are where it is clear from the name which they were; else the name ends
 * with a digest of them, as no other name does.
 */
export const nameOf = (...parts: ReadonlyArray<string>): string => {
  const wanted = parts.join("-")
  // It is clear which hyphen joins them where only the last part may have one of its own.
  const isClear = parts.every((part, index) => label.test(part) && (index === parts.length - 1 || !part.includes("-")))
  if (isClear && label.test(wanted) && !endsWithDigest.test(wanted)) return wanted
  const plain = wanted.toLowerCase().replace(/[^a-z0-9]+/g, "-")
  const cut = plain.slice(0, maxName - digestLength - 1).replace(/^-+|-+$/g, "")
  // JSON, since it also keeps apart what UTF-8 cannot: lone surrogates.
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, digestLength)
  return cut === "" ? `x-${digest}` : `${cut}-${digest}`
}
const digestLength = 12
const endsWithDigest = /(^|-)[0-9a-f]{12}$/

/** What is wrong with the options. */
export const problemsOf = (options: Options): ReadonlyArray<string> => {
  const { autoscaling, namespace } = options
  const foreign = options.activities.filter(({ name }) => !isActivity(name))
  const whole = (value: number, from: number) => Number.isInteger(value) && value >= from
  return [
    ...foreign.map(({ name }) => `${JSON.stringify(name)} is not the name of an activity`),
    ...(options.activities.length > 0 ? [] : ["the mesh has no activity"]),
    ...(isImage(options.image)
      ? []
      : [`${JSON.stringify(options.image)} is not the name of an image, such as registry.example/coffee:1`]),
    ...(options.file.startsWith("/") || options.file.split(/[\\/]/).includes("..")
      ? ["the file must lie in the image: name it by its path from the image's working directory"]
      : []),
    ...(namespace === undefined || label.test(namespace) ? [] : [`${JSON.stringify(namespace)} is not a namespace`]),
    ...(isSubdomain(options.secret)
      ? []
      : [
          `${JSON.stringify(options.secret)} is not the name of a Secret: lower-case letters, digits, hyphens, and dots between them`
        ]),
    ...(whole(options.replicas, 1) ? [] : ["there must be one replica or more"]),
    ...(whole(options.graceSeconds, 1) && options.graceSeconds <= mostGraceSeconds
      ? []
      : ["the grace period must be a second or more, and not longer than a day"]),
    ...(cpuQuantity.test(options.cpu)
      ? []
      : [`${JSON.stringify(options.cpu)} is not a quantity of processors, such as 0.5 or 100m`]),
    ...(memoryQuantity.test(options.memory)
      ? []
      : [`${JSON.stringify(options.memory)} is not a quantity of memory, such as 256Mi or 1Gi`]),
    ...(autoscaling === undefined ||
    (whole(autoscaling.min, 1) && whole(autoscaling.max, autoscaling.min) && whole(autoscaling.cpuPercent, 1))
      ? []
      : ["scaling needs 1 ≤ min ≤ max and a load of 1 percent or more"])
  ]
}

interface Names {
  readonly app: string
  readonly component: string
  readonly name: string
}

const labelsOf = ({ app, component }: Pick<Names, "app" | "component">) => ({
  "app.kubernetes.io/name": app,
  "app.kubernetes.io/component": component
})

const metadataOf = (options: Options, name: string, labels: { readonly [name: string]: string }) => ({
  name,
  ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
  labels: { ...labels, "app.kubernetes.io/managed-by": "tenon" }
})

const probe = (path: string, timing: { readonly [member: string]: number }) => ({
  httpGet: { path, port: "health" },
  ...timing
})

/** Kubernetes puts variables of the environment, secrets among them, where a word says `$(NAME)`. */
const literally = (words: ReadonlyArray<string>) => words.map((word) => word.replaceAll("$", "$$$$"))

const containerOf = (options: Options, activity: string) => ({
  name: "worker",
  image: options.image,
  command: literally(options.command),
  args: literally([
    "run",
    options.file,
    "--activity-name",
    activity,
    "--health-host",
    "0.0.0.0",
    "--health-port",
    String(healthPort),
    "--grace",
    `${options.graceSeconds} seconds`
  ]),
  envFrom: [{ secretRef: { name: options.secret } }],
  ports: [{ name: "health", containerPort: healthPort }],
  startupProbe: probe("/health/live", { periodSeconds: 2, failureThreshold: 30 }),
  livenessProbe: probe("/health/live", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }),
  readinessProbe: probe("/health/ready", { periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 }),
  lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } },
  resources: {
    requests: { cpu: options.cpu, memory: options.memory },
    limits: { memory: options.memory }
  },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] }
  },
  volumeMounts: [{ name: "tmp", mountPath: "/tmp" }]
})

const deploymentOf = (options: Options, names: Names, { description, name }: MeshActivity): Manifest => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    ...metadataOf(options, names.name, labelsOf(names)),
    annotations: { "tenon/activity": name, ...(description === undefined ? {} : { "tenon/description": description }) }
  },
  spec: {
    // Where it is scaled, applying this again must not undo that.
    ...(options.autoscaling === undefined ? { replicas: options.replicas } : {}),
    revisionHistoryLimit: 3,
    selector: { matchLabels: labelsOf(names) },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    template: {
      metadata: { labels: labelsOf(names) },
      spec: {
        serviceAccountName: names.app,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: preStopSeconds + options.graceSeconds + marginSeconds,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: user,
          runAsGroup: user,
          seccompProfile: { type: "RuntimeDefault" }
        },
        containers: [containerOf(options, name)],
        volumes: [{ name: "tmp", emptyDir: {} }]
      }
    }
  }
})

const scalerOf = (options: Options, names: Names, { cpuPercent, max, min }: Autoscaling): Manifest => ({
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: metadataOf(options, names.name, labelsOf(names)),
  spec: {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: names.name },
    minReplicas: min,
    maxReplicas: max,
    metrics: [
      { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: cpuPercent } } }
    ]
  }
})

const budgetOf = (options: Options, names: Names): Manifest => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: metadataOf(options, names.name, labelsOf(names)),
  spec: { maxUnavailable: 1, selector: { matchLabels: labelsOf(names) } }
})

/** The objects, in the order in which they can be made. The options have no problems. */
export const make = (options: Options): ReadonlyArray<Manifest> => {
  const { autoscaling } = options
  const app = nameOf(options.title)
  const account: Manifest = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: metadataOf(options, app, { "app.kubernetes.io/name": app }),
    automountServiceAccountToken: false
  }
  const several = (autoscaling?.min ?? options.replicas) > 1
  const ofActivity = (activity: MeshActivity): ReadonlyArray<Manifest> => {
    const names: Names = { app, component: nameOf(activity.name), name: nameOf(options.title, activity.name) }
    return [
      deploymentOf(options, names, activity),
      ...(autoscaling === undefined ? [] : [scalerOf(options, names, autoscaling)]),
      ...(several ? [budgetOf(options, names)] : [])
    ]
  }
  return [account, ...options.activities.flatMap(ofActivity)]
}

/** As YAML, a document for each. Strings are quoted where a reader could take them for something else. */
export const toYaml = (manifests: ReadonlyArray<Manifest>): string =>
  manifests.map((each) => stringify(each, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false })).join("---\n")
