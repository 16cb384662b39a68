import { MAX_SAMPLES, type Difference } from './comparison.js'

type Kind = 'differing' | 'missing' | 'extra'

/** Keeps the first differences of each kind, so that many of one kind don't hide the others. */
export class Samples {
  readonly #kept: Record<Kind, Difference[]> = { differing: [], missing: [], extra: [] }

  add(kind: Kind, difference: Difference): void {
    if (!this.isFull(kind)) this.#kept[kind].push(difference)
  }

  isFull(kind: Kind): boolean {
    return this.#kept[kind].length >= MAX_SAMPLES
  }

  /** At most {@link MAX_SAMPLES}, shared among the kinds. */
  list(): Difference[] {
    const { differing, missing, extra } = this.#kept
    const taken: Difference[] = []
    for (let at = 0; at < MAX_SAMPLES; at++)
      for (const kind of [differing, missing, extra]) {
        const difference = kind[at]
        if (difference !== undefined && taken.length < MAX_SAMPLES) taken.push(difference)
      }
    return taken
  }
}
