import { throwIfAborted } from '../core/errors.js'
import { labelAt, readFully, type HnswIndex } from './hnsw-index.js'
import { LabelStates } from './label-states.js'

export interface LabelFacts {
  readonly labels: LabelStates
  /** Elements that the header counts and the file does not hold. */
  readonly unwritten: number
  /** Live vectors with NaN or infinity; 0 when not looked for. */
  readonly notFinite: number
}

const BLOCK_BYTES = 4 * 1024 * 1024
const DELETED = 1

/**
 * The labels of data_level0.bin, as far as the file goes: Chroma does not notice when it is too short. Labels
 * begin at 1, so an element of zeros is one that was never written.
 */
export async function readLabels(
  index: HnswIndex,
  job: { readonly thorough: boolean; readonly signal: AbortSignal | undefined },
): Promise<LabelFacts> {
  const { elements, elementSize, labelOffset, dataOffset } = index.header
  const { size } = await index.data.stat()
  const there = Math.min(elements, Math.floor(size / elementSize))
  const labels = new LabelStates()
  let unwritten = elements - there
  let notFinite = 0
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / elementSize))
  const bytes = Buffer.allocUnsafeSlow(Math.min(perBlock, Math.max(there, 1)) * elementSize)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let first = 0; first < there; first += perBlock) {
    throwIfAborted(job.signal)
    const count = Math.min(perBlock, there - first)
    await readFully(index.data, bytes.subarray(0, count * elementSize), first * elementSize)
    for (let at = 0; at < count; at++) {
      const start = at * elementSize
      const label = labelAt(view, start + labelOffset)
      const isDeleted = ((bytes[start + 2] ?? 0) & DELETED) !== 0
      if (label === 0) unwritten++
      else labels.add(label, isDeleted ? 'deleted' : 'live')
      if (
        job.thorough &&
        label !== 0 &&
        !isDeleted &&
        !isFinite(view, start + dataOffset, start + labelOffset)
      )
        notFinite++
    }
  }
  return { labels, unwritten: unwritten + labels.wild, notFinite }
}

const EXPONENT = 0x7f800000

/** NaN and infinity have all bits of the exponent set. */
function isFinite(view: DataView, from: number, to: number): boolean {
  for (let at = from; at < to; at += 4) if ((view.getUint32(at, true) & EXPONENT) === EXPONENT) return false
  return true
}
