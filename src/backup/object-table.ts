import { objectKey, type Extent, type ObjectReference } from './object-reference.js'
import type { PendingExtent } from './object-writer.js'

/** The table of objects that extents refer to by index, in the order of first use. */
export class ObjectTable {
  readonly #references: ObjectReference[] = []
  readonly #indexes = new Map<string, number>()

  get references(): readonly ObjectReference[] {
    return this.#references
  }

  /** The objects must be stored already. */
  extents(pending: readonly PendingExtent[]): Extent[] {
    return pending.map(({ object: { reference }, offset, length }) => {
      if (reference === null) throw new Error('an extent of an object that is not stored yet')
      return [this.#indexOf(reference), offset, length]
    })
  }

  #indexOf(reference: ObjectReference): number {
    const key = objectKey(reference)
    const known = this.#indexes.get(key)
    if (known !== undefined) return known
    this.#references.push(reference)
    this.#indexes.set(key, this.#references.length - 1)
    return this.#references.length - 1
  }
}
