/**
 * How much is drawn by chance, and from which seed, in all tests that draw: `WEIR_FUZZ=10` draws ten
 * times as much, `WEIR_FUZZ_SEED=7` draws otherwise (and repeats a run that has).
 */
export const fuzzRounds = (usual: number): number =>
  Math.ceil(usual * Number(process.env['WEIR_FUZZ'] ?? 1));

export const fuzzSeed = (usual: number): number => Number(process.env['WEIR_FUZZ_SEED'] ?? usual);
