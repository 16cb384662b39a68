/** Records that look like what people keep in Chroma: a vector, about 480 bytes of text, four metadata values. */

const WORDS =
  'the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many'.split(
    ' ',
  )

/** Floats of record `index`: the same for the same index, all different, full mantissas. */
export function writeVector(index, target) {
  let state = (index * 2654435761 + 12345) >>> 0
  for (let at = 0; at < target.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    target[at] = (state / 2 ** 32 - 0.5) / 5
  }
}

function document(index) {
  let state = index + 1
  let text = `record ${index}`
  while (text.length < 480) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    text += ` ${WORDS[(state >>> 8) % WORDS.length]}`
  }
  return text
}

function metadataText(index) {
  return `{"chunk":${index % 40},"score":${(index % 1000) / 1000 || '0.0'},"source":"file-${index % 97}.md","kept":${index % 3 === 0}}`
}

/**
 * The body of one `add` with the records from `first` on: vectors in base64, the smallest that Chroma takes.
 *
 * @returns {Buffer}
 */
export function addBody(first, count, dimension) {
  const vector = new Float32Array(dimension)
  const bytes = Buffer.from(vector.buffer)
  const columns = { ids: [], embeddings: [], documents: [], metadatas: [] }
  for (let index = first; index < first + count; index++) {
    writeVector(index, vector)
    columns.ids.push(`"record-${String(index).padStart(8, '0')}"`)
    columns.embeddings.push(`"${bytes.toString('base64')}"`)
    columns.documents.push(`"${document(index)}"`)
    columns.metadatas.push(metadataText(index))
  }
  const members = Object.entries(columns).map(([name, values]) => `"${name}":[${values.join(',')}]`)
  return Buffer.from(`{${members.join(',')}}`)
}

/** Bodies of at most `perBody` records and about `maxBytes` bytes. */
export function* addBodies({ records, dimension }, perBody, maxBytes = 30e6) {
  const step = Math.max(1, Math.min(perBody, Math.floor(maxBytes / (dimension * 5.4 + 700))))
  for (let first = 0; first < records; first += step) {
    yield addBody(first, Math.min(step, records - first), dimension)
  }
}
