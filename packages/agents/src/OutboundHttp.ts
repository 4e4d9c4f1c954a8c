/**
 * An HTTP client that connects to allowed addresses only. The check is made where the connection is: on the very
 * addresses that a name resolved to, so that no second answer of a name server gets past it.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as Layer from "effect/Layer"
import type { HttpClient } from "effect/http/HttpClient"
import { lookup, type LookupAddress, type LookupOptions } from "node:dns"
import { isIP } from "node:net"

/** The `code` of the error with which a connection to an address that is not allowed fails. */
export const refused = "EADDRESSREFUSED"

class Refused extends Error {
  readonly code = refused
}

type Found = (error: NodeJS.ErrnoException | null, address: string | Array<LookupAddress>, family?: number) => void

const guarded =
  (allowed: (address: string) => boolean) =>
  (hostname: string, options: LookupOptions, found: Found): void =>
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return found(error, [])
      const open = addresses.filter(({ address }) => allowed(address))
      const [first] = open
      if (first === undefined) return found(new Refused("no allowed address"), [])
      return options.all === true ? found(null, open) : found(null, first.address, first.family)
    })

/**
 * The client. It follows no redirect and keeps no connection. An address that stands in a URL is not looked up: see
 * `isRefused`.
 */
export const layer = (allowed: (address: string) => boolean): Layer.Layer<HttpClient> =>
  NodeHttpClient.layerNodeHttpOptions({ keepAlive: false, lookup: guarded(allowed) as never })

/** Whether a URL names an address that is not allowed. */
export const isRefused = (allowed: (address: string) => boolean, { hostname }: URL): boolean => {
  const address = hostname.replace(/^\[(.*)\]$/, "$1")
  return isIP(address) !== 0 && !allowed(address)
}
