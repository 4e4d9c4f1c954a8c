/**
 * Which generated programs a test runs: as many as it says, or as TENON_SEEDS and TENON_SEED_FROM do in a longer
 * search.
 */
export const seeds = (count: number): { readonly from: number; readonly count: number } => ({
  from: Number(process.env["TENON_SEED_FROM"] ?? 0),
  count: Number(process.env["TENON_SEEDS"] ?? count)
})
