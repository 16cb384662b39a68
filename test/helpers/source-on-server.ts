import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, expect } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { ServerSource, type ServerSourceOptions } from '../../src/chroma/server-source.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import type { CollectionDefinition, ReadConsistency, RecordBatch } from '../../src/core/records.js'
import { apiForSuite, apiThroughProxy, newCollection } from './api-for-suite.js'
import { chromaForSuite } from './chroma-server.js'
import type { Fault, ProxiedRequest } from './fault-proxy.js'
import { sampleBatch } from './records.js'

export interface ReadCollection {
  readonly records: RecordBatch
  readonly batches: readonly RecordBatch[]
  readonly consistency: ReadConsistency
}

/** A server for a suite, and sources that read it. In the end no temporary file may be left. */
export function sourceForSuite() {
  const chroma = chromaForSuite()
  const api = apiForSuite(chroma)
  const cleanup: (() => Promise<void>)[] = []
  let tempDir = ''

  beforeAll(async () => {
    tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-source-'))
  })
  afterEach(async () => {
    for (const undo of cleanup.splice(0)) await undo()
  })
  afterAll(async () => {
    expect(await readdir(tempDir)).toEqual([])
    await rm(tempDir, { recursive: true })
  })

  const sourceOf = (options: Partial<ServerSourceOptions> = {}) =>
    new ServerSource({ api: api(), scope: { tenants: ['default_tenant'] }, tempDir, ...options })

  return {
    api,
    sourceOf,

    /** All records; `during` runs after each batch. */
    readAll: async (
      collection: CollectionDefinition,
      options: Partial<ServerSourceOptions> = {},
      during: (batch: RecordBatch, index: number) => Promise<void> = async () => {},
    ): Promise<ReadCollection> => {
      const reader = await sourceOf(options).openCollection(collection)
      const batches: RecordBatch[] = []
      for await (const batch of reader.batches()) {
        await during(batch, batches.length)
        batches.push(batch)
      }
      return { records: concatBatches(batches), batches, consistency: reader.consistency() }
    },

    /** A collection of sample records without texts, and what is in it. */
    filled: async (rows: number, dimension = 2): Promise<[CollectionDefinition, RecordBatch]> => {
      const collection = await newCollection(api())
      const batch = sampleBatch({ rows, dimension, texts: false })
      await new ServerCollectionWriter(api(), collection).write(batch)
      return [await api().getCollection(collection), batch]
    },

    /** An API through a proxy until the test ends. */
    apiThrough: async (
      decide: (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>,
    ): Promise<ChromaApi> => {
      const through = await apiThroughProxy(chroma().url, decide)
      cleanup.push(() => through.close())
      return through.api
    },
  }
}

export function isListing({ path: address, body }: ProxiedRequest): boolean {
  return address.endsWith('/get') && body.includes('"include":[]')
}
