import { afterEach, describe, expect, test } from '@jest/globals'

import { spaceOf } from '../../../src/chroma/space.js'
import type { CollectionDefinition } from '../../../src/core/records.js'
import { fuse } from '../../../src/migrations/operations/fuse.js'
import { runStep } from '../../../src/migrations/operations/run-step.js'
import type { RecordOperator } from '../../../src/migrations/record-operator.js'
import type { StepOutcome } from '../../../src/migrations/step-outcome.js'
import type { Step } from '../../../src/migrations/step.js'
import { home, newCollection } from '../../helpers/api-for-suite.js'
import { expectSameRecords } from '../../helpers/records.js'
import { stepBench } from './step-bench.js'
import { contentOf, dropAll, names, typedBatch } from './step-records.js'

const bench = stepBench()
afterEach(() => dropAll(bench().api))

async function docs(name: string, count = 40, spec = {}): Promise<CollectionDefinition> {
  const collection = await newCollection(bench().api, { name, metadata: new Map([['owner', 'me']]), ...spec })
  await bench().api.add(collection, typedBatch(count, { prefix: name }))
  return collection
}

function run(step: Step, changes = {}): Promise<StepOutcome> {
  return runStep(step, bench().context(changes))
}

function copyTo(operators: readonly RecordOperator[]): Step {
  return {
    kind: 'copyTo',
    collection: 'docs',
    map: fuse(operators, { cache: bench().cache }),
    to: 'copy',
    verify: {},
  }
}

describe('copyTo', () => {
  test.each([
    ['l2', 'cosine'],
    ['cosine', 'ip'],
    ['ip', 'l2'],
  ] as const)('%s → %s: every type is kept, and the space is what the server says', async (from, to) => {
    await docs('docs', 40, { hnsw: { space: from, ef_search: 55 } })
    const before = await contentOf(bench().api, 'docs')
    const outcome = await run(copyTo([{ kind: 'changeSpace', space: to }]))
    expect(outcome).toMatchObject({ records: 40, notes: [] })
    const copy = await bench().api.getCollection({ ...home, name: 'copy' })
    expect(spaceOf(copy)).toBe(to)
    expect(copy.metadata).toEqual(new Map([['owner', 'me']]))
    expectSameRecords(await contentOf(bench().api, 'copy'), before, 'cosine')
    expect(await contentOf(bench().api, 'docs')).toEqual(before)
  })

  test('with another model: vectors, dimension and embedding function are the new ones', async () => {
    await docs('docs', 20)
    const provider = {
      name: 'lengths',
      getConfig: () => ({ model: 'm' }),
      generate: async (texts: string[]) => Promise.resolve(texts.map((text) => [text.length, 1])),
    }
    const outcome = await run(
      copyTo([{ kind: 'reembed', options: { with: provider, input: ({ document }) => document ?? 'none' } }]),
    )
    expect(outcome.embedded).toBeGreaterThan(0)
    const { dimension, configuration } = await bench().api.getCollection({ ...home, name: 'copy' })
    expect(dimension).toBe(2)
    expect(configuration).toEqual(expect.objectContaining({ size: expect.any(Number) }))
    const { ids, embeddings } = await contentOf(bench().api, 'copy')
    expect(embeddings[ids.indexOf('docs-0') * 2]).toBe(4)
  })

  test('a function that throws leaves nothing', async () => {
    await docs('docs')
    const change = ({ id }: { id: string }) => {
      if (id === 'docs-30') throw new Error('my own')
      return { id }
    }
    await expect(run(copyTo([{ kind: 'transform', change, inPlace: false }]))).rejects.toThrow(
      'transform of record "docs-30" failed: my own',
    )
    expect(await names(bench().api)).toEqual(['docs'])
  })

  test('what was changed in the source meanwhile is in the copy', async () => {
    const collection = await docs('docs', 30)
    let seen = 0
    const change = async (record: { id: string; document: string | null }) => {
      if (++seen === 30) {
        await bench().api.deleteRecords(collection, ['docs-1'])
        await bench().api.add(collection, typedBatch(3, { prefix: 'late' }))
        await bench().api.upsert(collection, { ...typedBatch(1, { prefix: 'docs' }), documents: ['changed'] })
      }
      return { id: record.id }
    }
    await run(copyTo([{ kind: 'transform', change, inPlace: false }]))
    expect(await contentOf(bench().api, 'copy')).toEqual(await contentOf(bench().api, 'docs'))
  })

  test('does not take a name that is taken', async () => {
    await docs('docs', 1)
    await docs('copy', 1)
    await expect(run(copyTo([]))).rejects.toMatchObject({ code: 'NAME_TAKEN' })
    expect(await names(bench().api)).toEqual(['copy', 'docs'])
  })
})

describe('split', () => {
  const split = (by: (id: string) => unknown): Step => {
    const anywhere: unknown = ({ id }: { id: string }) => by(id)
    if (!isBy(anywhere)) throw new TypeError('no function')
    return {
      kind: 'split',
      collection: 'docs',
      map: fuse([], { cache: bench().cache }),
      by: anywhere,
      names: ['even', 'odd'],
    }
  }

  test('each record goes to one collection or to none', async () => {
    await docs('docs')
    const before = await contentOf(bench().api, 'docs')
    const outcome = await run(
      split((id) => (id === 'docs-7' ? null : Number(id.slice(5)) % 2 === 0 ? 'even' : 'odd')),
    )
    expect(outcome.records).toBe(39)
    expect(outcome.undo).toMatchObject({ collections: [{ name: 'even' }, { name: 'odd' }] })
    const [even, odd] = [await contentOf(bench().api, 'even'), await contentOf(bench().api, 'odd')]
    expect([even.ids.length, odd.ids.length]).toEqual([20, 19])
    expect(odd.metadatas[0]).toEqual(before.metadatas[before.ids.indexOf(odd.ids[0] ?? '')])
    expect(await contentOf(bench().api, 'docs')).toEqual(before)
  })

  test.each([['nowhere'], [undefined], [Promise.resolve('even')]])('refuses %s', async (answer) => {
    await docs('docs')
    await expect(run(split(() => answer))).rejects.toThrow(/split of record "docs-\d+": .*none of even, odd/)
    expect(await names(bench().api)).toEqual(['docs'])
  })
})

function isBy(value: unknown): value is () => string | null {
  return typeof value === 'function'
}

describe('merge', () => {
  const merge = (onConflict: 'fail' | 'first' | 'last'): Step => ({
    kind: 'merge',
    collection: 'docs',
    others: ['more'],
    into: 'all',
    onConflict,
  })

  test('of records that are in both, the first or the last counts', async () => {
    await docs('docs', 10)
    const more = await docs('more', 5)
    await bench().api.add(more, { ...typedBatch(1, { prefix: 'docs' }), documents: ['of more'] })
    await expect(run(merge('fail'))).rejects.toThrow('"docs-0", is in docs and in more')
    expect(await names(bench().api)).toEqual(['docs', 'more'])
    for (const [onConflict, document] of [
      ['first', null],
      ['last', 'of more'],
    ] as const) {
      expect(await run(merge(onConflict))).toMatchObject({ records: 15 })
      const { ids, documents } = await contentOf(bench().api, 'all')
      expect(documents[ids.indexOf('docs-0')]).toBe(document)
      await bench().api.deleteCollection(await bench().api.getCollection({ ...home, name: 'all' }))
    }
  })

  test('refuses what does not fit together', async () => {
    await docs('docs', 2)
    const more = await newCollection(bench().api, { name: 'more' })
    await bench().api.add(more, typedBatch(2, { dimension: 3 }))
    await expect(run(merge('fail'))).rejects.toThrow('vectors of 4 and 3 numbers')
    await bench().api.deleteCollection(more)
    await docs('more', 2, { hnsw: { space: 'cosine' } })
    await expect(run(merge('fail'))).rejects.toThrow('measure l2 and cosine')
    await expect(
      run({
        ...merge('fail'),
        kind: 'merge',
        collection: 'docs',
        others: ['docs'],
        into: 'all',
        onConflict: 'fail',
      }),
    ).rejects.toThrow('named twice')
  })
})
