import { describe, expect, test } from '@jest/globals'

import { spaceOf } from '../../../src/chroma/space.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const cosine = migration('00001', {
  async up(m) {
    await m
      .collection('docs')
      .transform((record) => ({ ...record, document: `${record.document ?? ''}!` }))
      .changeSpace('cosine')
    await m.collection('docs').setMetadata((previous) => ({ ...previous, owner: 'search' }))
  },
})
const rename = migration('00002', {
  async up(m) {
    await m.collection('docs').rename('pages')
    await m.collection('pages').copyTo('archive')
  },
})

describe('up', () => {
  test('applies what is pending, step by step, and records it', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const result = await database.up([cosine, rename])

    expect(result.error).toBeNull()
    expect(result).toMatchObject({ from: null, to: '00002' })
    expect(result.migrations.map(({ status, steps }) => [status, steps.map(({ title }) => title)])).toEqual([
      ['success', ['docs copyAndSwap', 'docs setMetadata']],
      ['success', ['docs rename → pages', 'pages copyTo → archive']],
    ])
    const pages = await database.find('pages')
    expect(pages && spaceOf(pages)).toBe('cosine')
    expect(pages?.metadata?.get('owner')).toBe('search')
    expect(await database.texts('pages')).toEqual([0, 1, 2, 3, 4].map((at) => `docs-${at} text ${at}!`))
    expect(await database.texts('archive')).toHaveLength(5)
    expect(await database.states([cosine, rename])).toEqual(['00001 applied', '00002 applied'])
  })
})
