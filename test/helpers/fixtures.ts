import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'

import { isJsonArray, isJsonObject, parseJson, type JsonValue } from '../../src/core/json.js'
import { metadataFromJson } from '../../src/core/metadata-json.js'
import type { Metadata } from '../../src/core/metadata.js'
import type { CollectionName } from '../../src/core/records.js'

/** Releases of Chroma that have made a data directory for the tests; see test/fixtures/make.py. */
export const FIXTURES = ['0.4.15', '0.5.0', '0.5.23', '0.6.3', '1.0.20', '1.3.5', '1.5.9'] as const
export type Fixture = (typeof FIXTURES)[number]

const folder = fileURLToPath(new URL('../fixtures/', import.meta.url))

export interface FixtureDirectory {
  /** The data directory, in a temporary folder of its own. */
  readonly directory: string
  readonly remove: () => Promise<void>
}

export async function unpackFixture(release: Fixture): Promise<FixtureDirectory> {
  const target = await mkdtemp(path.join(tmpdir(), `chroma-ops-fixture-${release}-`))
  await promisify(execFile)('tar', ['-xzf', path.join(folder, `${release}.tar.gz`), '-C', target])
  return {
    directory: path.join(target, 'data'),
    remove: () => rm(target, { recursive: true, force: true }),
  }
}

/** What the API of a release said of a collection in the directory that it had made. */
export interface FixtureCollection extends CollectionName {
  readonly id: string
  readonly metadata: Metadata | null
  readonly records: readonly FixtureRecord[]
}

export interface FixtureRecord {
  readonly id: string
  /** Null: the release itself had lost it. */
  readonly vector: Float32Array | null
  readonly document: string | null
  readonly uri: string | null
  readonly metadata: Metadata | null
}

export async function fixtureTruth(release: Fixture): Promise<readonly FixtureCollection[]> {
  const json = parseJson(gunzipSync(await readFile(path.join(folder, `${release}.json.gz`))).toString())
  return list(member(json, 'collections')).map((collection) => ({
    tenant: text(member(collection, 'tenant')),
    database: text(member(collection, 'database')),
    name: text(member(collection, 'name')),
    id: text(member(collection, 'id')),
    metadata: metadataFromJson(member(collection, 'metadata')) ?? null,
    records: list(member(collection, 'records')).map(recordOf),
  }))
}

function recordOf(json: JsonValue): FixtureRecord {
  const vector = textOrNull(member(json, 'vector'))
  return {
    id: text(member(json, 'id')),
    vector: vector === null ? null : new Float32Array(Uint8Array.from(Buffer.from(vector, 'base64')).buffer),
    document: textOrNull(member(json, 'document')),
    uri: textOrNull(member(json, 'uri')),
    metadata: metadataFromJson(member(json, 'metadata')) ?? null,
  }
}

function member(json: JsonValue, key: string): JsonValue {
  return (isJsonObject(json) ? json.get(key) : undefined) ?? null
}

function list(json: JsonValue): readonly JsonValue[] {
  if (!isJsonArray(json)) throw new Error('not a list')
  return json
}

function text(json: JsonValue): string {
  if (typeof json !== 'string') throw new Error('not a text')
  return json
}

function textOrNull(json: JsonValue): string | null {
  return json === null ? null : text(json)
}
