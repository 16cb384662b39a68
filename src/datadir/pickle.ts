import { PickleError } from './errors.js'
import { PickleMachine } from './pickle-machine.js'
import type { PickleValue } from './pickle-value.js'

/** `index_metadata.pickle` without the ids. */
export interface IndexPickleFields {
  /** Null is normal since 1.0. */
  readonly dimensionality: number | null
  /** Labels ever given; the next one is one more. */
  readonly totalElementsAdded: number
  /** Before 0.5.6: the last operation in the index. Since then in the table `max_seq_id`, and null here. */
  readonly maxSeqId: bigint | null
}

export interface IndexPickle extends IndexPickleFields {
  /** The label that each record has in the index. */
  readonly idToLabel: ReadonlyMap<string, number>
}

/** Takes one pair of `id_to_label`. The bytes of the id (UTF-8) are valid only during the call. */
export type OnLabel = (bytes: Uint8Array, from: number, to: number, label: number) => void

/** The same of a pair of `label_to_id`, where its id stands in the file a second time. */
export type OnId = OnLabel

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Reads an index pickle of any release, in memory: the dict of 1.x, and the `PersistentData` object of 0.4 to
 * 0.6. Only opcodes that these consist of are known: nothing in the file can make anything run. Throws
 * {@link PickleError}.
 */
export function parseIndexPickle(bytes: Uint8Array): IndexPickle {
  const idToLabel = new Map<string, number>()
  const parser = new IndexPickleParser((source, from, to, label) => {
    idToLabel.set(utf8.decode(source.subarray(from, to)), label)
  })
  parser.push(bytes)
  return { ...parser.end(), idToLabel }
}

/** The same, piece by piece, with memory for one piece. */
export class IndexPickleParser {
  readonly #onLabel: OnLabel
  readonly #onId: OnId | undefined
  readonly #machine: PickleMachine
  readonly #fields = new Map<string, PickleValue>()
  #left: Uint8Array = new Uint8Array(0)

  constructor(onLabel: OnLabel, onId?: OnId) {
    this.#onLabel = onLabel
    this.#onId = onId
    this.#machine = new PickleMachine({
      field: (name, value) => void this.#fields.set(name, value),
      pair: (role, key, value) => this.#pair(role, key, value),
    })
  }

  /** Throws {@link PickleError}. */
  push(piece: Uint8Array): void {
    const bytes = this.#left.length === 0 ? piece : Buffer.concat([this.#left, piece])
    const used = this.#machine.run(bytes)
    // A copy, which `slice` of a Buffer is not: the caller may read the next piece into the same memory.
    this.#left = Uint8Array.from(bytes.subarray(used))
  }

  /** Throws {@link PickleError} when the file ended too early. */
  end(): IndexPickleFields {
    if (!this.#machine.ended) throw new PickleError('the pickle of the index is cut off')
    for (const name of ['id_to_label', 'total_elements_added'])
      if (!this.#fields.has(name)) throw new PickleError(`the pickle of the index has no ${name}`)
    const dimensionality = this.#number('dimensionality')
    const maxSeqId = this.#number('max_seq_id')
    return {
      dimensionality,
      totalElementsAdded: this.#number('total_elements_added') ?? 0,
      maxSeqId: maxSeqId === null ? null : BigInt(maxSeqId),
    }
  }

  #number(name: string): number | null {
    const value = this.#fields.get(name)
    return value?.kind === 'number' ? value.value : null
  }

  #pair(role: string, key: PickleValue, value: PickleValue): void {
    if (role === 'label_to_id' && key.kind === 'number' && value.kind === 'text')
      this.#onId?.(value.bytes, value.from, value.to, key.value)
    if (role !== 'id_to_label') return
    if (key.kind !== 'text' || value.kind !== 'number')
      throw new PickleError('id_to_label of the pickle of the index is not from texts to numbers')
    this.#onLabel(key.bytes, key.from, key.to, value.value)
  }
}
