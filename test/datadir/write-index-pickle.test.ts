import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { describe, expect, test } from '@jest/globals'

import { parseIndexPickle } from '../../src/datadir/pickle.js'
import { encodeIndexPickle } from '../../src/datadir/write-index-pickle.js'
import { outputOf, runNow } from '../helpers/run-now.js'

const ids = new Map<string, number>([
  ['a', 1],
  ['ключ\n', 2],
  ['', 3],
  ['big', 2 ** 40],
])

describe('encodeIndexPickle', () => {
  test('is read back as it was', async () => {
    const bytes = await encoded(ids, 70_000)
    const { idToLabel, totalElementsAdded, dimensionality } = parseIndexPickle(bytes)
    expect([...idToLabel]).toEqual([...ids])
    expect([totalElementsAdded, dimensionality]).toEqual([70_000, null])
  })

  test('an index without records is one too, and a large one comes in pieces', async () => {
    const none = await encoded(new Map(), 5)
    expect(parseIndexPickle(none).idToLabel.size).toBe(0)
    const many = new Map(Array.from({ length: 60_000 }, (_, row) => [`record-${row}`, row + 1] as const))
    const pieces = await piecesOf(many, 60_000)
    expect(pieces.length).toBeGreaterThan(2)
    expect(parseIndexPickle(Buffer.concat(pieces)).idToLabel.size).toBe(60_000)
  })

  const python = runNow('python3', ['-c', 'pass']).status === 0 ? test : test.skip
  python('Python reads it', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-pickle-'))
    try {
      const file = path.join(folder, 'pickle')
      await writeFile(file, await encoded(ids, 9))
      const script = 'import json,pickle,sys; print(json.dumps(pickle.load(open(sys.argv[1], "rb"))))'
      const found: unknown = JSON.parse(outputOf('python3', ['-c', script, file]))
      expect(found).toEqual({
        dimensionality: null,
        total_elements_added: 9,
        max_seq_id: null,
        id_to_label: Object.fromEntries(ids),
        label_to_id: Object.fromEntries([...ids].map(([id, label]) => [label, id])),
        id_to_seq_id: {},
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

async function piecesOf(all: ReadonlyMap<string, number>, totalElementsAdded: number): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of encodeIndexPickle({ labels: () => [[...all]], totalElementsAdded }))
    pieces.push(piece)
  return pieces
}

async function encoded(all: ReadonlyMap<string, number>, totalElementsAdded: number): Promise<Buffer> {
  return Buffer.concat(await piecesOf(all, totalElementsAdded))
}
