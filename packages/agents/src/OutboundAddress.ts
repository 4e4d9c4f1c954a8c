/** Which addresses a tenant's webhook may lead to: public ones, so that nobody reaches the host's own network by it. */
import { BlockList, isIP } from "node:net"

/**
 * What is not public, from the special-purpose registries of IANA (RFC 6890 and after), and the forms of IPv6 that
 * lead to an IPv4 address.
 */
const closed = new BlockList()
for (const [address, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4]
] as const)
  closed.addSubnet(address, prefix, "ipv4")

/** Of IPv6 only global unicast is public, without the parts of it that are set aside. */
const open = new BlockList()
open.addSubnet("2000::", 3, "ipv6")
const setAside = new BlockList()
for (const [address, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20]
] as const)
  setAside.addSubnet(address, prefix, "ipv6")

/** Whether an IP address is one of the public internet. */
export const isPublic = (address: string): boolean => {
  switch (isIP(address)) {
    case 4:
      return !closed.check(address, "ipv4")
    case 6:
      return open.check(address, "ipv6") && !setAside.check(address, "ipv6")
    default:
      return false
  }
}

/** Networks that may be reached besides, such as `127.0.0.0/8` in development. */
export const allowList = (networks: ReadonlyArray<string>): ((address: string) => boolean) => {
  const allowed = new BlockList()
  for (const network of networks) {
    const [address = "", prefix] = network.split("/")
    const version = isIP(address)
    if (version === 0)
      throw new Error(`${network} is no network; write an address, a slash and the length of its prefix`)
    allowed.addSubnet(
      address,
      prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix),
      version === 4 ? "ipv4" : "ipv6"
    )
  }
  return (address) => isPublic(address) || allowed.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")
}
