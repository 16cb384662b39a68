/** What data_level0.bin says of a label, which is the number that the index knows a vector by. */
export type LabelState = 'absent' | 'live' | 'deleted'

const STATES = ['absent', 'live', 'deleted'] as const
/** Labels are given one after the other; one far above the number of vectors was never given. */
const DENSE_LIMIT = 1 << 28

/** The labels of an index: one byte for each, so that a million take a megabyte. */
export class LabelStates {
  #states = new Uint8Array(1024)
  /** Those that no index can have given. */
  wild = 0
  live = 0
  deleted = 0
  /** Labels that occur more than once. */
  repeated = 0

  get(label: number): LabelState {
    return STATES[this.#states[label] ?? 0] ?? 'absent'
  }

  /** As it is read: the last element of a label counts, as in Chroma. */
  add(label: number, state: 'live' | 'deleted'): void {
    if (!Number.isSafeInteger(label) || label < 0 || label >= DENSE_LIMIT) {
      this.wild++
      return
    }
    if (this.get(label) !== 'absent') this.repeated++
    this.set(label, state)
  }

  set(label: number, state: 'live' | 'deleted'): void {
    const before = this.get(label)
    if (before !== 'absent') this[before]--
    this[state]++
    this.#grow(label + 1)
    this.#states[label] = state === 'live' ? 1 : 2
  }

  /** Labels of live vectors, ascending. */
  *liveLabels(): Generator<number> {
    for (const [label, state] of this.#states.entries()) if (state === 1) yield label
  }

  #grow(needed: number): void {
    if (needed <= this.#states.length) return
    const grown = new Uint8Array(Math.max(needed, this.#states.length * 2))
    grown.set(this.#states)
    this.#states = grown
  }
}
