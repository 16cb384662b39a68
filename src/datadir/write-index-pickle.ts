const PIECE_BYTES = 1024 * 1024
const MAX_I32 = 0x7fffffff

/** An id and its label in the index. */
export type LabelledId = readonly [id: string, label: number]

/**
 * The file as Chroma 1.x writes it: a dictionary in pickle protocol 3, with every id and label in both
 * directions. In pieces of about 1 MiB. `labels` is asked for twice, and must give the same both times.
 */
export async function* encodeIndexPickle({
  labels,
  totalElementsAdded,
}: {
  readonly labels: () => Iterable<readonly LabelledId[]> | AsyncIterable<readonly LabelledId[]>
  readonly totalElementsAdded: number
}): AsyncGenerator<Buffer> {
  const out = new Pieces()
  out.bytes(0x80, 3, EMPTY_DICT, MARK)
  out.text('dimensionality')
  out.bytes(NONE)
  out.text('total_elements_added')
  out.integer(totalElementsAdded)
  out.text('max_seq_id')
  out.bytes(NONE)
  out.text('id_to_label')
  out.bytes(EMPTY_DICT, MARK)
  for await (const some of labels()) {
    for (const [id, label] of some) {
      out.text(id)
      out.integer(label)
      yield* out.full()
    }
  }
  out.bytes(SETITEMS)
  out.text('label_to_id')
  out.bytes(EMPTY_DICT, MARK)
  for await (const some of labels()) {
    for (const [id, label] of some) {
      out.integer(label)
      out.text(id)
      yield* out.full()
    }
  }
  out.bytes(SETITEMS)
  out.text('id_to_seq_id')
  out.bytes(EMPTY_DICT, SETITEMS, STOP)
  yield out.rest()
}

/** Opcodes: Lib/pickletools.py of Python. */
const EMPTY_DICT = 0x7d
const MARK = 0x28
const SETITEMS = 0x75
const NONE = 0x4e
const STOP = 0x2e
const BINUNICODE = 0x58
const BININT = 0x4a
const LONG1 = 0x8a

class Pieces {
  #pieces: Buffer[] = []
  #size = 0

  bytes(...bytes: readonly number[]): void {
    this.#add(Buffer.from(bytes))
  }

  text(text: string): void {
    const bytes = Buffer.from(text)
    const head = Buffer.allocUnsafe(5)
    head[0] = BINUNICODE
    head.writeUInt32LE(bytes.length, 1)
    this.#add(head)
    this.#add(bytes)
  }

  integer(value: number): void {
    const small = value <= MAX_I32 && value >= -MAX_I32
    const bytes = Buffer.allocUnsafe(small ? 5 : 11)
    bytes[0] = small ? BININT : LONG1
    if (small) bytes.writeInt32LE(value, 1)
    else {
      // Nine bytes, so that the sign of an unsigned number of 64 bits is not taken for a minus.
      bytes[1] = 9
      bytes.writeBigUInt64LE(BigInt(value), 2)
      bytes[10] = 0
    }
    this.#add(bytes)
  }

  *full(): Generator<Buffer> {
    if (this.#size >= PIECE_BYTES) yield this.rest()
  }

  rest(): Buffer {
    const all = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#size = 0
    return all
  }

  #add(bytes: Buffer): void {
    this.#pieces.push(bytes)
    this.#size += bytes.length
  }
}
