/**
 * Takes records apart and puts them together again. The files of an HNSW index keep, for each element, the
 * links (which change whenever a neighbour is added) beside the vector (which does not): apart, the vectors of
 * two backups are the same blocks. The planes lie in `memory`, which is as large as the records.
 */
export function takeApart(
  records: Buffer,
  parts: readonly number[],
  memory: Buffer = Buffer.allocUnsafe(records.length),
): Buffer[] {
  const length = recordLength(parts)
  const count = records.length / length
  let offset = 0
  return parts.map((part) => {
    const plane = memory.subarray(offset * count, (offset + part) * count)
    for (let record = 0, from = offset; record < count; record++, from += length)
      records.copy(plane, record * part, from, from + part)
    offset += part
    return plane
  })
}

/** The planes hold the same number of whole parts each. The records lie in `memory`, if it is given. */
export function putTogether(planes: readonly Buffer[], parts: readonly number[], memory?: Buffer): Buffer {
  const length = recordLength(parts)
  const count = (planes[0]?.length ?? 0) / (parts[0] ?? 1)
  const records = memory?.subarray(0, count * length) ?? Buffer.allocUnsafe(count * length)
  let offset = 0
  for (const [index, part] of parts.entries()) {
    const plane = planes[index] ?? Buffer.alloc(0)
    for (let record = 0, to = offset; record < count; record++, to += length)
      plane.copy(records, to, record * part, (record + 1) * part)
    offset += part
  }
  return records
}

export function recordLength(parts: readonly number[]): number {
  return parts.reduce((sum, part) => sum + part, 0)
}
