/**
 * Runs every contestant once a round, in turn, so that whatever else the machine does hits all of them.
 * A contestant returns seconds, or nothing to have its wall clock taken.
 *
 * @param {{ rounds: number, contestants: Record<string, () => Promise<number | void>>, note?: (text: string) => void }} job
 * @returns {Promise<Record<string, number[]>>} seconds of each round
 */
export async function interleave({ rounds, contestants, note }) {
  const names = Object.keys(contestants)
  const seconds = Object.fromEntries(names.map((name) => [name, []]))
  // The first round warms up file caches, connections and the compiler of V8; it is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const name of rotated(names, round)) {
      const started = performance.now()
      const own = await contestants[name]()
      const taken = own ?? (performance.now() - started) / 1000
      if (round > 0) seconds[name].push(taken)
      note?.(`round ${round}/${rounds} ${name} ${taken.toFixed(3)} s`)
    }
  }
  return seconds
}

/** How many times as fast `ours` is as `theirs`, round by round. */
export function speedRatio(ours, theirs) {
  return spread(ours.map((seconds, round) => theirs[round] / seconds))
}

/** @returns {{ min: number, median: number, max: number }} */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median =
    sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2
  return { min: sorted[0], median, max: sorted[sorted.length - 1] }
}

function rotated(names, by) {
  const start = by % names.length
  return [...names.slice(start), ...names.slice(0, start)]
}
