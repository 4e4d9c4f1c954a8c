/** The shape of a run, the same for ours and for every peer. */

/** How many steps a run has. */
export const steps = 20

/** The same steps as four rounds of five at once. */
export const rounds = [0, 5, 10, 15].map((first) => [0, 1, 2, 3, 4].map((index) => first + index))

/** What a run is started with. */
export const text = "x".repeat(200)

export const stepName = (index: number): string => `step ${index}`

/** What a step comes to: about as long as the run's input. */
export const result = (index: number, given: string) => ({ index, text: given })

/** The two kinds of runs. */
export const kinds = ["sequential", "concurrent"] as const
export type Kind = (typeof kinds)[number]

/** One side of a comparison. */
export interface Side {
  /** Carries out a run; done when its end is durable. */
  readonly carryOut: (kind: Kind) => Promise<void>
  readonly close: () => Promise<void>
}
