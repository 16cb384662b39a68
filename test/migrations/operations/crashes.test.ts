import { afterEach, describe, expect, test } from '@jest/globals'

import { fuse } from '../../../src/migrations/operations/fuse.js'
import { abandonStep } from '../../../src/migrations/operations/abandon-step.js'
import { runStep } from '../../../src/migrations/operations/run-step.js'
import { undoStep } from '../../../src/migrations/operations/undo-step.js'
import type { StepContext, StepOutcome } from '../../../src/migrations/step-outcome.js'
import type { Step } from '../../../src/migrations/step.js'
import { home, newCollection } from '../../helpers/api-for-suite.js'
import { Died, Life, stepBench, TextJournal } from './step-bench.js'
import { contentOf, dropAll, names, typedBatch } from './step-records.js'

const everyPlace = process.env['CHROMA_OPS_TEST_STRIDE'] === '1'
const bench = stepBench()
afterEach(() => dropAll(bench().api))

const map = (mark: string) =>
  fuse(
    [
      {
        kind: 'transform',
        inPlace: true,
        change: (record) => ({ ...record, metadata: { ...record.metadata, [mark]: 1 } }),
      },
    ],
    { cache: bench().cache },
  )

const cases: [string, () => Step][] = [
  ['create', () => ({ kind: 'create', collection: 'new', options: { metadata: { a: 1 } } })],
  ['drop', () => ({ kind: 'drop', collection: 'docs', keep: '14d' })],
  ['rename', () => ({ kind: 'rename', collection: 'docs', to: 'new' })],
  [
    'setMetadata',
    () => ({
      kind: 'setMetadata',
      collection: 'docs',
      change: (old) => ({ ...old, n: Number(old['n']) + 1 }),
    }),
  ],
  [
    'setConfiguration',
    () => ({ kind: 'setConfiguration', collection: 'docs', configuration: { hnsw: { ef_search: 9 } } }),
  ],
  ['inPlace', () => ({ kind: 'inPlace', collection: 'docs', map: map('x') })],
  ['copyTo', () => ({ kind: 'copyTo', collection: 'docs', map: map('x'), to: 'new', verify: {} })],
  [
    'split',
    () => ({
      kind: 'split',
      collection: 'docs',
      map: map('x'),
      by: ({ id }) => (id.endsWith('1') ? 'one' : id.endsWith('2') ? 'two' : null),
      names: ['one', 'two'],
    }),
  ],
  ['merge', () => ({ kind: 'merge', collection: 'docs', others: ['more'], into: 'new', onConflict: 'last' })],
]

async function prepare(): Promise<void> {
  const { api } = bench()
  const docs = await newCollection(api, { name: 'docs', metadata: new Map([['n', 1n]]) })
  await api.add(docs, typedBatch(12))
  const more = await newCollection(api, { name: 'more' })
  await api.add(more, typedBatch(4, { prefix: 'more' }))
}

/** All that a user sees, with the suffixes of the trash left out. */
async function picture() {
  const { api } = bench()
  const all = await names(api)
  return Promise.all(
    all.map(async (name) => {
      const { metadata, configuration } = await api.getCollection({ ...home, name })
      return {
        name: name.replace(/-[0-9a-f]{8}$/, '-*'),
        metadata,
        configuration,
        content: await contentOf(api, name),
      }
    }),
  )
}

async function dying(act: (context: StepContext) => Promise<unknown>, journal: TextJournal, life: Life) {
  try {
    // Two runs need not send the same number of requests: this one may have come to its end.
    await act(bench().mortal(journal, life))
  } catch (error) {
    if (!(error instanceof Died)) throw error
  }
}

/** How many requests and journal writes a run takes. */
async function lengthOf(act: (context: StepContext) => Promise<unknown>): Promise<number> {
  const life = new Life()
  await act(bench().mortal(new TextJournal(), life))
  return life.done
}

/**
 * The soak dies at every place, before and after; the suite at some of them, after: that is the same as before
 * the next.
 */
function placesOf(
  length: number,
  most: number,
): { readonly at: number; readonly when: 'before' | 'after' }[] {
  const all = Array.from({ length }, (_, at) => at)
  if (everyPlace) return all.flatMap((at) => (['before', 'after'] as const).map((when) => ({ at, when })))
  const stride = Math.max(1, Math.ceil(length / most))
  return all.filter((at) => at % stride === 0).map((at) => ({ at, when: 'after' }))
}

const options = { acceptDataLoss: false, carry: true, down: () => null }

describe.each(cases)('%s', (_, stepOf) => {
  test('killed at any request, run again, ends as if it had not been', async () => {
    await prepare()
    const length = await lengthOf((context) => runStep(stepOf(), context))
    const expected = await picture()
    for (const { at, when } of placesOf(length, 5)) {
      await dropAll(bench().api)
      await prepare()
      const journal = new TextJournal()
      await dying((context) => runStep(stepOf(), context), journal, new Life(at, when))
      const context = bench().context({ journal })
      await runStep(stepOf(), context)
      expect({ at, when, picture: await picture() }).toEqual({ at, when, picture: expected })
      // Its row may not have been written: then it is run once more.
      if (at % 3 !== 0) continue
      await runStep(stepOf(), context)
      expect(await picture()).toEqual(expected)
    }
  })
})

const undoable = cases.filter(([kind]) => kind !== 'inPlace')

test.each(undoable)('%s: killed at any request and given up, leaves what was there', async (_, stepOf) => {
  await prepare()
  const expected = await picture()
  const life = new Life()
  await runStep(stepOf(), bench().mortal(new TextJournal(), life))
  for (const { at, when } of placesOf(life.done, 8)) {
    await dropAll(bench().api)
    await prepare()
    const journal = new TextJournal()
    await dying((context) => runStep(stepOf(), context), journal, new Life(at, when))
    await abandonStep(stepOf(), bench().context({ journal }), { acceptDataLoss: false })
    const left = (await picture()).filter(({ name }) => !name.includes('.trash-'))
    expect({ at, when, left }).toEqual({ at, when, left: expected })
  }
})

test.each(undoable)('%s: undone, killed at any request and undone again', async (_, stepOf) => {
  await prepare()
  const expected = await picture()
  const again = async (): Promise<StepOutcome> => {
    await dropAll(bench().api)
    await prepare()
    return runStep(stepOf(), bench().context())
  }
  const undoOf = ({ undo }: StepOutcome) => {
    if (undo === null) throw new Error('nothing to undo')
    return (context: StepContext) => undoStep(undo, context, options)
  }
  const length = await lengthOf(undoOf(await again()))
  for (const { at, when } of placesOf(length, 2)) {
    const undo = undoOf(await again())
    await dying(undo, new TextJournal(), new Life(at, when))
    await undo(bench().context())
    const left = (await picture()).filter(({ name }) => !name.includes('.trash-'))
    expect({ at, when, left }).toEqual({ at, when, left: expected })
  }
})
