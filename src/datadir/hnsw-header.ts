import { HnswError } from './errors.js'

/** `header.bin` of hnswlib as Chroma builds it (chroma-core/hnswlib, `hnswalg.h`). Sizes and offsets in bytes. */
export interface HnswHeader {
  readonly version: number
  readonly offsetLevel0: number
  /** Elements that there is room for. */
  readonly maxElements: number
  /** Elements that were ever added; deleted ones stay, marked. */
  readonly elements: number
  readonly elementSize: number
  /** Of the label (u64) in an element. */
  readonly labelOffset: number
  /** Of the vector in an element. */
  readonly dataOffset: number
  readonly maxLevel: number
  readonly entryPoint: number
  /** Most neighbours of an element on upper levels, and on the lowest. */
  readonly maxM: number
  readonly maxM0: number
  readonly m: number
  readonly efConstruction: number
  /** Floats per vector. */
  readonly dimension: number
}

export const HEADER_BYTES = 100
const MAX_DIMENSION = 1_000_000
const MAX_NEIGHBOURS = 100_000

/** Throws {@link HnswError} when the numbers contradict each other. */
export function readHnswHeader(bytes: Uint8Array): HnswHeader {
  if (bytes.length < HEADER_BYTES)
    throw new HnswError(`header.bin has ${bytes.length} of ${HEADER_BYTES} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = (offset: number) => Number(view.getBigUint64(offset, true))
  const labelOffset = size(36)
  const dataOffset = size(44)
  const header: HnswHeader = {
    version: view.getInt32(0, true),
    offsetLevel0: size(4),
    maxElements: size(12),
    elements: size(20),
    elementSize: size(28),
    labelOffset,
    dataOffset,
    maxLevel: view.getInt32(52, true),
    entryPoint: view.getUint32(56, true),
    maxM: size(60),
    maxM0: size(68),
    m: size(76),
    efConstruction: size(92),
    dimension: (labelOffset - dataOffset) / 4,
  }
  const why = contradiction(header)
  if (why !== undefined) throw new HnswError(`header.bin is damaged: ${why}`)
  return header
}

function contradiction(header: HnswHeader): string | undefined {
  const { version, elements, maxElements, elementSize, labelOffset, dataOffset, maxM0, maxM, dimension } =
    header
  if (version !== 1) return `its version is ${version}`
  if (elements > maxElements) return `${elements} elements where there is room for ${maxElements}`
  if (maxElements > 2 ** 40) return `room for ${maxElements} elements`
  if (maxM0 > MAX_NEIGHBOURS || maxM > MAX_NEIGHBOURS) return `${maxM0} neighbours`
  if (dataOffset !== 4 + 4 * maxM0 || header.offsetLevel0 !== 0) return 'the vectors are not behind the links'
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > MAX_DIMENSION)
    return `vectors of ${dimension} numbers`
  if (elementSize !== labelOffset + 8) return 'the labels are not behind the vectors'
  return undefined
}
