/** Whether objects are still kept by something, told by the garbage collector. */
import { setTimeout as sleep } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** How many of the objects are kept. One that was looked at is kept until the turn is over. */
export const kept = async (objects: ReadonlyArray<WeakRef<object>>): Promise<number> => {
  for (let turn = 0; turn < 3; turn++) {
    await sleep(1)
    collect()
  }
  return objects.filter((each) => each.deref() !== undefined).length
}
