/** The known word that `word` most likely means, or undefined when none is close. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length * 0.4))
  let best: { readonly word: string; readonly distance: number } | undefined
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance <= limit && distance < (best?.distance ?? Infinity)) best = { word: candidate, distance }
  }
  return best?.word
}

/** `did you mean x?` when a known word is close, else all known words. */
export function suggestion(word: string, known: readonly string[]): string {
  const match = closest(word, known)
  return match === undefined ? `choose from: ${known.join(', ')}` : `did you mean ${match}?`
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      const substituted = (last[column - 1] ?? 0) + (same ? 0 : 1)
      const cost = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substituted)
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current.push(swapped ? Math.min(cost, (beforeLast[column - 2] ?? 0) + 1) : cost)
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? 0
}
