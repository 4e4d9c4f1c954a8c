/** Reads server-sent events. */

/** An event as a client sees it. */
export interface Seen {
  readonly event: string
  readonly data: { readonly [member: string]: unknown }
}

const parse = (block: string): Seen | undefined => {
  const fields = new Map(
    block.split("\n").map((line) => {
      const at = line.indexOf(": ")
      return [line.slice(0, at), line.slice(at + 2)] as const
    })
  )
  const event = fields.get("event")
  return event === undefined
    ? undefined
    : { event, data: JSON.parse(fields.get("data") ?? "{}") as { readonly [member: string]: unknown } }
}

/** Reads until `enough` says so, which hears of each event as it comes; false where the stream ends before. */
export const read = async (body: AsyncIterable<Uint8Array>, enough: (seen: Seen) => boolean): Promise<boolean> => {
  let text = ""
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let at = text.indexOf("\n\n"); at !== -1; at = text.indexOf("\n\n")) {
      const event = parse(text.slice(0, at))
      text = text.slice(at + 2)
      if (event !== undefined && enough(event)) return true
    }
  }
  return false
}
