/**
 * Which services a run's suites must have: a suite that skips for the lack of one of them fails the run.
 *
 * TENON_REQUIRE_SERVICES names them with commas, or is `here` for those that answer on this machine, each by itself:
 * then a suite skips only where its own service is not there. `none` allows every skip that tells of a service, and no
 * other; without the setting every skip is allowed.
 */
import { isHere } from "@tenon/testing/BrokerServer"
import { listens } from "@tenon/embedded/Listens"

/** Where each is looked for, and how the names of the tests that need it tell. */
const services = {
  postgres: {
    tells: /PostgreSQL/,
    url: (environment: NodeJS.ProcessEnv) =>
      environment["TENON_TEST_DATABASE_URL"] || environment["DATABASE_URL"] || "postgres://127.0.0.1:5432"
  },
  redis: {
    tells: /Redis/,
    url: (environment: NodeJS.ProcessEnv) => environment["REDIS_URL"] || "redis://127.0.0.1:6379"
  },
  rabbitmq: {
    tells: /RabbitMQ/,
    url: (environment: NodeJS.ProcessEnv) => environment["RABBITMQ_URL"] || "amqp://127.0.0.1:5672"
  },
  /** The program: some tests start a Redis of their own. */
  "redis-server": { tells: /redis-server/, url: undefined }
} as const

export type Service = keyof typeof services
const names = Object.keys(services) as ReadonlyArray<Service>

const isThere = async (service: Service, environment: NodeJS.ProcessEnv): Promise<boolean> => {
  if (service === "postgres" && environment["TENON_TEST_NO_MACHINE"] === "1") return false
  const { url } = services[service]
  return url === undefined ? isHere("Redis") : listens(url(environment))
}

/** Those that the environment requires; `undefined` where it says nothing of them. */
export const required = async (environment: NodeJS.ProcessEnv): Promise<ReadonlyArray<Service> | undefined> => {
  const given = environment["TENON_REQUIRE_SERVICES"]
  if (!given) return undefined
  if (given === "none") return []
  if (given === "here") {
    const there = await Promise.all(names.map((each) => isThere(each, environment)))
    return names.filter((_, index) => there[index])
  }
  const listed = given.split(",").map((each) => each.trim())
  const unknown = listed.filter((each) => !(each in services))
  if (unknown.length > 0)
    throw new Error(`TENON_REQUIRE_SERVICES: no service ${unknown.join()}; there are ${names.join()}, or here or none.`)
  return names.filter((each) => listed.includes(each))
}

/** The tests that may not have been skipped: those of which no service is missing. */
export const unexcused = (
  skipped: ReadonlyArray<string>,
  needed: ReadonlyArray<Service> | undefined
): ReadonlyArray<string> =>
  needed === undefined
    ? []
    : skipped.filter((name) => !names.some((each) => !needed.includes(each) && services[each].tells.test(name)))
