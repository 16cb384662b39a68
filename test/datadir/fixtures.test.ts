import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { spaceOf } from '../../src/chroma/space.js'
import { displayName, type RecordBatch } from '../../src/core/records.js'
import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { DirectorySource } from '../../src/datadir/directory-source.js'
import { firstDistantFloat } from '../../src/transfer/ulp.js'
import { startChroma } from '../helpers/chroma-server.js'
import {
  FIXTURES,
  fixtureTruth,
  unpackFixture,
  type Fixture,
  type FixtureRecord,
} from '../helpers/fixtures.js'
import { contentsOf, type SourceContents } from '../helpers/read-source.js'
import { bitsOf, expectSameRecords } from '../helpers/records.js'

const RELEASES: Readonly<Record<Fixture, string>> = {
  '0.4.15': '0.4.15 to 0.4.x',
  '0.5.0': '0.5.0 to 0.5.4',
  '0.5.23': '0.5.6 to 0.6.x',
  '0.6.3': '0.5.6 to 0.6.x',
  '1.0.20': '1.0.0 to 1.2.x',
  '1.3.5': '1.3.0 to 1.4.x',
  '1.5.9': '1.5.0 and newer',
}

async function readDirectory(directory: string): Promise<ReadonlyMap<string, SourceContents>> {
  const opened = await openDataDirectory(directory)
  try {
    return await contentsOf(new DirectorySource(opened, { batchBytes: 5000 }))
  } finally {
    opened.close()
  }
}

describe.each(FIXTURES)('a directory made by Chroma %s', (release) => {
  test('says which release has made it', async () => {
    const { directory, remove } = await unpackFixture(release)
    const opened = await openDataDirectory(directory)
    expect(opened.fingerprint.releases).toBe(RELEASES[release])
    opened.close()
    await remove()
  })

  test('gives what the release itself gave', async () => {
    const { directory, remove } = await unpackFixture(release)
    const found = await readDirectory(directory)
    const truth = await fixtureTruth(release)
    expect([...found.keys()]).toEqual(truth.map(displayName))
    for (const collection of truth) {
      const contents = found.get(displayName(collection))
      if (contents === undefined) throw new Error('not there')
      expect(contents.definition.id).toBe(collection.id)
      expect(contents.definition.metadata).toEqual(collection.metadata)
      expectRecords(contents, collection.records)
    }
    await remove()
  })

  test('gives what the newest server gives of it', async () => {
    const { directory, remove } = await unpackFixture(release)
    const found = await readDirectory(directory)
    // Starting a server on somebody's directory is refused; this is a copy.
    await mkdir(path.join(directory, '.chroma-ops'))
    await writeFile(path.join(directory, '.chroma-ops', 'created-by-chroma-ops'), '')
    const chroma = await startChroma({ directory })
    const api = new ChromaApi(await connectTransport({ url: chroma.url }))
    try {
      const scope = { tenants: ['default_tenant', 'other-tenant'] }
      const expected = await contentsOf(new ServerSource({ api, scope, tempDir: directory }))
      expect([...found.keys()]).toEqual([...expected.keys()])
      for (const [name, { definition, records }] of expected) {
        const contents = found.get(name)
        if (contents === undefined) throw new Error('not there')
        expect(contents.definition.metadata).toEqual(definition.metadata)
        expect(contents.definition.dimension).toBe(definition.dimension)
        expect(spaceOf(contents.definition)).toBe(spaceOf(definition))
        if (release === '1.5.9') expect(contents.definition).toEqual(definition)
        expectSameRecords(contents.records, records, spaceOf(definition))
      }
    } finally {
      await api.transport.close()
      await chroma.stop()
      await remove()
    }
  })
})

/** Releases before 0.5.11 give records in the order of their ids. */
function expectRecords({ definition, records }: SourceContents, expected: readonly FixtureRecord[]): void {
  expect([...records.ids].sort()).toEqual(expected.map(({ id }) => id).sort())
  for (const { id, vector, document, uri, metadata } of expected) {
    const row = records.ids.indexOf(id)
    expect(records.documents[row]).toBe(document)
    expect(records.uris[row]).toBe(uri)
    expect(records.metadatas[row]).toEqual(metadata)
    if (vector !== null) expectVector(records, row, vector, spaceOf(definition) === 'cosine')
  }
}

function expectVector(records: RecordBatch, row: number, expected: Float32Array, rounded: boolean): void {
  expect(records.missingEmbeddings).not.toContain(row)
  const found = records.embeddings.slice(row * records.dimension, (row + 1) * records.dimension)
  if (rounded) expect(firstDistantFloat(expected, found)).toBe(-1)
  else expect(bitsOf(found)).toEqual(bitsOf(expected))
}
