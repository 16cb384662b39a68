import type { HnswFileSize } from './hnsw-index.js'
import type { IndexProblem } from './inspect-index.js'
import type { LinkListState } from './link-lists.js'

const MIB = 1024 * 1024

/** A file behind its last list is waste, and a sign of hnswlib's unchecked sizes: it grows with every save. */
export function linkProblems(links: LinkListState, size: HnswFileSize | null): readonly IndexProblem[] {
  if (size === null) return []
  const { apparent, allocated } = size
  if (apparent > links.bytes * 2 + MIB)
    return [
      {
        kind: 'links bloated',
        text: `link_lists.bin has ${apparent} bytes (${allocated} on the disk), and its lists end at ${links.bytes}${links.problem === null ? '' : `: ${links.problem}`}`,
      },
    ]
  if (links.problem === null) return []
  return [{ kind: 'links damaged', text: `link_lists.bin: ${links.problem}` }]
}
