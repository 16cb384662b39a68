import { describe, expect, test } from '@jest/globals'

import type { CollectionDefinition } from '../../../src/core/records.js'
import { fuse } from '../../../src/migrations/operations/fuse.js'
import { runStep } from '../../../src/migrations/operations/run-step.js'
import type { RecordOperator, Transform } from '../../../src/migrations/record-operator.js'
import type { StepContext, StepOutcome } from '../../../src/migrations/step-outcome.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { stepBench } from './step-bench.js'
import { contentOf, typedBatch } from './step-records.js'

const bench = stepBench()

async function docs(count: number, space = 'l2'): Promise<CollectionDefinition> {
  const collection = await newCollection(bench().api, { hnsw: { space } })
  await bench().api.add(collection, typedBatch(count))
  return collection
}

function inPlace(
  { name }: CollectionDefinition,
  change: Transform,
  context: StepContext = bench().context(),
): Promise<StepOutcome> {
  const operator: RecordOperator = { kind: 'transform', change, inPlace: true }
  const map = fuse([operator], { cache: bench().cache })
  return runStep({ kind: 'inPlace', collection: name, map }, context)
}

test.each(['l2', 'cosine', 'ip'])(
  '%s: changes what the function changes, and nothing else',
  async (space) => {
    const collection = await docs(60, space)
    const before = await contentOf(bench().api, collection.name)
    const outcome = await inPlace(collection, (record) => {
      if (record.id === 'id-3') return null
      const { old, ...kept } = record.metadata ?? {}
      return { ...record, metadata: old === undefined ? record.metadata : { ...kept, moved: old } }
    })
    expect(outcome).toMatchObject({ undo: null, embedded: 0, notes: [] })
    const after = await contentOf(bench().api, collection.name)
    const rows = before.ids.flatMap((id, row) => (id === 'id-3' ? [] : [row]))
    expect(after.ids).toEqual(rows.map((row) => before.ids[row]))
    expect(after.documents).toEqual(rows.map((row) => before.documents[row]))
    expect(after.uris).toEqual(rows.map((row) => before.uris[row]))
    expect(after.embeddings).toEqual(
      Float32Array.from(rows.flatMap((row) => [...before.embeddings.subarray(row * 4, row * 4 + 4)])),
    )
    expect(after.metadatas).toEqual(
      rows.map((row) => {
        const metadata = before.metadatas[row] ?? null
        if (metadata === null) return null
        const kept = [...metadata].filter(([key]) => key !== 'old')
        return new Map([...kept, ['moved', 'to be removed']])
      }),
    )
    expect(outcome.records).toBe(1 + rows.filter((row) => before.metadatas[row] !== null).length)
  },
)

test('vectors too: those made of length one stay so in a collection that shifts them', async () => {
  const collection = await docs(40, 'cosine')
  const outcome = await inPlace(collection, ({ id, embedding }) => {
    const length = Math.hypot(...(embedding ?? []))
    return { id, embedding: embedding?.map((x) => x / length) ?? null }
  })
  expect(outcome.records).toBe(40)
  const { embeddings } = await contentOf(bench().api, collection.name)
  expect(Math.hypot(...embeddings.subarray(0, 4))).toBeCloseTo(1)
})

describe('refuses before it writes', () => {
  let calls = 0
  test.each<[string, Transform, RegExp]>([
    [
      'what is not the same twice',
      ({ id }) => ({ id, document: `${id} ${++calls}` }),
      /another document each time/,
    ],
    [
      'what goes on and on',
      ({ id, document }) => ({ id, document: `${document ?? ''}!` }),
      /done twice.*document again/,
    ],
    [
      'what takes a document away',
      ({ id }) => ({ id, document: null }),
      /cannot take a document or a URI away/,
    ],
  ])('%s', async (_, change, message) => {
    const collection = await docs(5)
    const before = await contentOf(bench().api, collection.name)
    await expect(inPlace(collection, change)).rejects.toThrow(message)
    expect(await contentOf(bench().api, collection.name)).toEqual(before)
  })

  test('another space or model', async () => {
    const { name } = await docs(1)
    for (const operator of [
      { kind: 'changeSpace', space: 'ip' },
      { kind: 'changeDimension', dimension: 2 },
    ] as const) {
      const map = fuse([operator], { cache: bench().cache })
      const step = { kind: 'inPlace', collection: name, map } as const
      await expect(runStep(step, bench().context())).rejects.toMatchObject({ code: 'OPERATION_REFUSED' })
    }
  })
})

test('records that are written meanwhile are changed, too', async () => {
  const collection = await docs(20)
  let late = 0
  const outcome = await inPlace(collection, async (record) => {
    // The function is tried three times; then come the passes, during two of which somebody writes.
    if (record.id === 'id-19' && [3, 4].includes(late++))
      await bench().api.add(collection, typedBatch(3, { prefix: `late-${late}` }))
    return { ...record, document: record.document ?? 'none' }
  })
  const { ids, documents } = await contentOf(bench().api, collection.name)
  expect(ids).toHaveLength(26)
  expect(documents.every((document) => document !== null)).toBe(true)
  expect(outcome.notes).toEqual([expect.stringContaining('others wrote to it meanwhile')])
})
