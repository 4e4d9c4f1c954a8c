/** What `tenon deploy kubernetes` writes, checked against the schemas that Kubernetes publishes. */
import * as KubernetesManifests from "@tenon/cli/KubernetesManifests"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Deployment } from "kubernetes-models/apps/v1/Deployment"
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler"
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget"
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { parseAllDocuments } from "yaml"
import { packages, tenon } from "../support/TenonProcess.ts"

const mesh = relative(process.cwd(), join(packages, "examples/src/order/OrderMesh.ts"))
const deploy = (args: ReadonlyArray<string>, env: { readonly [name: string]: string | undefined } = {}) =>
  tenon(["deploy", "kubernetes", mesh, "--image", "registry.example/orders:1.4.2", ...args], env)

/** Kinds by their published schemas; each throws where an object does not fit. */
const kinds: { readonly [kind: string]: new (object: never) => { readonly validate: () => void } } = {
  "apps/v1 Deployment": Deployment,
  "autoscaling/v2 HorizontalPodAutoscaler": HorizontalPodAutoscaler,
  "policy/v1 PodDisruptionBudget": PodDisruptionBudget,
  "v1 ServiceAccount": ServiceAccount
}

const rfc1123 = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * The members of an object that its schema does not know, which a strict server refuses: those that nobody looks at.
 */
const unknownIn = (object: object, validate: (seen: object) => void): ReadonlyArray<string> => {
  const unread = new Set<string>()
  const watched = (value: any, path: string): any => {
    if (typeof value !== "object" || value === null) return value
    for (const name of Object.keys(value)) unread.add(`${path}.${name}`)
    return new Proxy(value, {
      get: (target, name) => {
        unread.delete(`${path}.${String(name)}`)
        return watched(target[name], `${path}.${String(name)}`)
      }
    })
  }
  validate(watched(object, ""))
  return [...unread]
}

/** What the schemas say, and what they cannot say. */
const check = (objects: ReadonlyArray<any>) => {
  for (const object of objects) {
    const Kind = kinds[`${object.apiVersion} ${object.kind}`]
    assert.isDefined(Kind, `${object.apiVersion} ${object.kind}`)
    if (Kind !== undefined) {
      const unknown = unknownIn(object, (seen) => Kind.prototype.validate.call(seen))
      assert.deepStrictEqual(unknown, [])
    }
    assert.match(object.metadata.name, rfc1123)
    for (const value of Object.values(object.metadata.labels)) assert.match(String(value), rfc1123)
  }
  const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  assert.strictEqual(new Set(names).size, names.length)
  const deployments = objects.filter(({ kind }) => kind === "Deployment")
  for (const { spec } of deployments) {
    assert.deepStrictEqual(spec.selector.matchLabels, spec.template.metadata.labels)
    const { containers, securityContext, terminationGracePeriodSeconds } = spec.template.spec
    const [{ args, lifecycle, securityContext: own }] = containers
    const drain = Number.parseInt(args[args.indexOf("--grace") + 1], 10)
    assert.isAbove(terminationGracePeriodSeconds, drain + lifecycle.preStop.sleep.seconds)
    assert.isTrue(securityContext.runAsNonRoot)
    assert.isTrue(own.readOnlyRootFilesystem)
    assert.isFalse(spec.template.spec.automountServiceAccountToken)
  }
  return deployments
}

const objectsIn = (text: string): ReadonlyArray<any> =>
  parseAllDocuments(text, { version: "1.1" }).map((document) => {
    assert.deepStrictEqual(document.errors, [])
    return document.toJS()
  })

describe("tenon deploy kubernetes", () => {
  it.live("writes a Deployment for each activity that Kubernetes accepts, the same each time", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* deploy(["--grace", "45 seconds", "--namespace", "shop"])
      assert.strictEqual(code, 0, stderr)
      const deployments = check(objectsIn(stdout))
      assert.deepStrictEqual(
        deployments.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
        ["shop/orders-charge-card", "shop/orders-update-inventory", "shop/orders-notify-customer"]
      )
      const [{ args, envFrom }] = deployments[1].spec.template.spec.containers
      assert.deepStrictEqual(args.slice(0, 4), ["run", mesh, "--activity-name", "update-inventory"])
      assert.deepStrictEqual(envFrom, [{ secretRef: { name: "orders-env" } }])
      assert.deepStrictEqual(
        objectsIn(stdout).filter(({ kind }) => kind === "PodDisruptionBudget"),
        []
      )
      assert.strictEqual((yield* deploy(["--grace", "45 seconds", "--namespace", "shop"])).stdout, stdout)
    })
  )

  it.live("scales, keeps some up, and gives it all as JSON or in a file", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "tenon-deploy-"))
      const out = join(directory, "mesh.yaml")
      const scaled = yield* deploy(["--hpa", "2,9,70", "--json"])
      const { items, kind } = JSON.parse(scaled.stdout)
      assert.strictEqual(kind, "List")
      for (const { spec } of check(items)) assert.notProperty(spec, "replicas")
      assert.strictEqual(items.filter((each: any) => each.kind === "HorizontalPodAutoscaler").length, 3)
      assert.strictEqual(items.filter((each: any) => each.kind === "PodDisruptionBudget").length, 3)
      const written = yield* deploy(["--replicas", "3", "--out", out])
      assert.strictEqual(written.code, 0, written.stderr)
      for (const { spec } of check(objectsIn(readFileSync(out, "utf8")))) assert.strictEqual(spec.replicas, 3)
      rmSync(directory, { recursive: true })
    })
  )

  it.live("has kubectl apply it, and says what is wrong where it does not", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "tenon-kubectl-"))
      const kubectl = (script: string) => {
        writeFileSync(join(directory, "kubectl"), `#!/bin/sh\n${script}\n`)
        chmodSync(join(directory, "kubectl"), 0o755)
      }
      const PATH = `${directory}:${process.env["PATH"]}`
      kubectl(`echo "$@" > "${directory}/args"; cat > "${directory}/stdin"; echo applied`)
      const applied = yield* deploy(["--apply", "--namespace", "shop"], { PATH })
      assert.strictEqual(applied.code, 0, applied.stderr)
      assert.strictEqual(applied.stdout, "applied\n")
      assert.strictEqual(readFileSync(join(directory, "args"), "utf8"), "apply --namespace shop -f -\n")
      assert.strictEqual(check(objectsIn(readFileSync(join(directory, "stdin"), "utf8"))).length, 3)

      kubectl(`echo "the server is not there" >&2; exit 4`)
      const failed = yield* deploy(["--apply"], { PATH })
      assert.strictEqual(failed.code, 1)
      assert.include(failed.stderr, "the server is not there")
      assert.include(failed.stderr, "kubectl ended with exit code 4")

      const gone = yield* deploy(["--apply"], { PATH: dirname(process.execPath) })
      assert.strictEqual(gone.code, 1)
      assert.include(gone.stderr, "There is no kubectl on the PATH")
      rmSync(directory, { recursive: true })
    })
  )

  it.live("refuses what cannot be, with every fault", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* deploy(["--namespace", "No Such", "--replicas", "0", "--memory", "much"])
      assert.strictEqual(code, 1)
      for (const part of ["is not a namespace", "one replica or more", "is not a quantity of memory"]) {
        assert.include(stderr, part)
      }
    })
  )
})

const options = (change: Partial<KubernetesManifests.Options>): KubernetesManifests.Options => ({
  title: "orders",
  activities: [{ name: "charge-card", queue: "q", description: undefined }],
  file: "mesh.ts",
  image: "orders:1",
  command: ["tenon"],
  namespace: undefined,
  replicas: 2,
  autoscaling: { min: 2, max: 3, cpuPercent: 70 },
  secret: "orders-env",
  graceSeconds: 20,
  cpu: "100m",
  memory: "256Mi",
  ...change
})

const hostile = [
  "a: b\n- kind: Secret",
  "x\n---\nkind: ClusterRoleBinding",
  "{{ .Values.x }}",
  "&anchor *alias",
  "!!js/function 'x'",
  "yes",
  "0x10",
  "1_000",
  "~",
  "",
  "-",
  "\u0000\u2028\u0085",
  "a".repeat(300),
  "ÄÖÜ",
  "x-"
]

describe("manifests", () => {
  it("cannot be broken out of, whatever things are called", () => {
    for (const text of hostile) {
      const activity = { name: "charge-card", queue: text, description: text }
      const all = KubernetesManifests.make(
        options({ title: text, activities: [activity], command: [text], file: text })
      )
      const yaml = KubernetesManifests.toYaml(all)
      const read = objectsIn(yaml)
      assert.deepStrictEqual(read, JSON.parse(JSON.stringify(all)), JSON.stringify(text))
      check(read)
    }
  })

  it("have no variable put into a word by Kubernetes, which takes $$ for $", () => {
    const words = ["$(DATABASE_URL)", "a$$(B)$c"]
    const all = KubernetesManifests.make(options({ command: words, file: "$(SECRET).ts" }))
    const [{ args, command }] = check(all)[0].spec.template.spec.containers
    assert.deepStrictEqual([args[1], ...command], ["$$(SECRET).ts", "$$(DATABASE_URL)", "a$$$$(B)$$c"])
  })

  it("are refused for what is not the name of an activity, an image, a Secret or a namespace", () => {
    for (const text of hostile.filter((each) => each !== "yes" && each !== "x-")) {
      const activities = [{ name: text, queue: "q", description: undefined }]
      for (const change of [{ activities }, { image: `${text} ` }, { secret: `${text}_` }, { namespace: `${text}_` }]) {
        assert.notDeepEqual(KubernetesManifests.problemsOf(options(change)), [], JSON.stringify(change))
      }
    }
    assert.deepStrictEqual(KubernetesManifests.problemsOf(options({})), [])
  })

  it("are refused where Kubernetes would refuse the name of a Secret, an image or a quantity", () => {
    const digest = `sha256:${"0a".repeat(32)}`
    const good: ReadonlyArray<Partial<KubernetesManifests.Options>> = [
      ...["a.b", "a-b.c1", "x".repeat(253)].map((secret) => ({ secret })),
      ...[
        "coffee",
        "coffee:1",
        "localhost:5000/coffee",
        "Registry.example:5000/team/coffee__x--y.z:V1_2.3-rc",
        `coffee@${digest}`,
        `ghcr.io/a/b:1@${digest}`
      ].map((image) => ({ image })),
      ...["100m", "2", "0.5"].map((cpu) => ({ cpu })),
      ...["256Mi", "1.5Gi", "500M", "600k", "134217728"].map((memory) => ({ memory }))
    ]
    for (const change of good) assert.deepStrictEqual(KubernetesManifests.problemsOf(options(change)), [])
    const bad: ReadonlyArray<Partial<KubernetesManifests.Options>> = [
      ...["a..b", ".a", "a.", "a.-b", "a-.b", "x".repeat(254), "A"].map((secret) => ({ secret })),
      ...[
        "coffee:1:2",
        "coffee@@x",
        "coffee@x",
        "coffee@sha256:12",
        "Coffee",
        "a//b",
        "/a",
        "a/",
        "a:",
        "coffee:-1",
        `${"x".repeat(256)}`
      ].map((image) => ({ image })),
      ...["100Mi", "1k", "m", "0", "0m", "-1"].map((cpu) => ({ cpu })),
      ...["100m", "1K", "Mi", "0", "1.Gi"].map((memory) => ({ memory }))
    ]
    for (const change of bad) {
      assert.lengthOf(KubernetesManifests.problemsOf(options(change)), 1, JSON.stringify(change))
    }
  })

  it("are refused where `tenon run` would refuse how long it is to drain", () => {
    for (const graceSeconds of [0, 86_401, Number.POSITIVE_INFINITY]) {
      const [problem] = KubernetesManifests.problemsOf(options({ graceSeconds }))
      assert.include(problem, "not longer than a day")
    }
    assert.deepStrictEqual(KubernetesManifests.problemsOf(options({ graceSeconds: 86_400 })), [])
  })

  it.prop(
    "have names of RFC 1123 that differ where what they name differs",
    { texts: Schema.Array(Schema.String) },
    ({ texts }) => {
      const all = [...new Set(texts)]
      const names = all.map((text) => KubernetesManifests.nameOf("mesh", text))
      for (const name of names) assert.match(name, rfc1123)
      assert.strictEqual(new Set(names).size, all.length)
    }
  )

  it("of a mesh and an activity are theirs alone, wherever the hyphens are", () => {
    const letters = ["a", "b", "A", "-"]
    const short = letters.flatMap((one) => [
      one,
      ...letters.flatMap((two) => [one + two, ...letters.map((three) => one + two + three)])
    ])
    const long = ["a".repeat(31), "a".repeat(32), `${"a".repeat(30)}-a`, "a".repeat(62), "a".repeat(63), "a".repeat(64)]
    const words = [...short, ...long]
    const pairs = words.flatMap((title) => words.map((activity) => [title, activity] as const))
    const names = pairs.map((pair) => KubernetesManifests.nameOf(...pair))
    for (const name of names) assert.match(name, rfc1123)
    assert.strictEqual(new Set(names).size, pairs.length)
    assert.strictEqual(KubernetesManifests.nameOf("orders", "charge-card"), "orders-charge-card")
    assert.notStrictEqual(KubernetesManifests.nameOf("a-b", "c"), KubernetesManifests.nameOf("a", "b-c"))
  })

  it.prop(
    "are no names that others get for their digest's sake",
    { title: Schema.String, activity: Schema.String },
    ({ activity, title }) => {
      const [first, second] = [KubernetesManifests.nameOf(title), KubernetesManifests.nameOf(title, activity)]
      for (const name of [first, second]) {
        const again = KubernetesManifests.nameOf(name)
        assert.match(again, rfc1123)
        assert.isTrue(again !== name || name === title || name === `${title}-${activity}`)
      }
    }
  )
})
