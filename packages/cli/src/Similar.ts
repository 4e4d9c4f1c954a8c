/** Which names a mistyped one may have meant. Effect's command line has this for commands and flags, for itself. */

/** How many letters are to be added, taken out or changed to make one word of the other, whatever their case. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from.toLowerCase()].entries()) {
    const next = [index + 1]
    for (const [at, other] of [...to.toLowerCase()].entries()) {
      const changed = (row[at] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}

/** The nearest, all that are equally near; none where all are farther than a typing mistake or two. */
export const to = (name: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const distances = names.map((each) => distance(name, each))
  const least = Math.min(...distances)
  return least > 2 ? [] : names.filter((_, index) => distances[index] === least)
}
