import { hash } from 'node:crypto'

import { DigestSum } from '../core/digest.js'
import { throwIfAborted } from '../core/errors.js'
import type { Layer } from './catalogue.js'
import type { IndexRow } from './index-page.js'
import {
  firstFrom,
  LayerEdits,
  placedGroups,
  readPlaces,
  readTombstones,
  type PlacedGroup,
} from './layer-edits.js'
import { readIndex } from './read-index.js'
import { readIndexPage, ReplacementIndex } from './replacement-rows.js'
import { inconsistent, type RowGroupReadJob } from './row-group-reader.js'

/**
 * Checks what the layers of a collection say about the rows below them, and that the records, as they are now, add up
 * to the digests of the collection and have no id twice. From index pages, which are known to match their records.
 * Rejects with an ObjectDamagedError. Memory: 16 bytes for each record.
 */
export async function verifyOrder(job: RowGroupReadJob): Promise<void> {
  const { catalogue } = job
  // Finds places that do not ascend, or lead nowhere.
  await LayerEdits.read(job)
  const layers = await Promise.all(catalogue.layers.map((layer) => openLayer(job, layer)))
  const sums = { payload: new DigestSum(), vectors: new DigestSum() }
  const ids = new SeenIds(catalogue.records)
  for (const placed of placedGroups(catalogue)) {
    throwIfAborted(job.purpose.signal)
    for (const row of await survivors(job, placed, layers)) {
      sums.payload.add(row.payload)
      sums.vectors.add(row.vector)
      ids.add(row.id)
    }
  }
  const extents = placedGroups(catalogue).flatMap(({ group }) => group.index)
  const { digest } = catalogue
  if (sums.payload.hex() !== digest.payload || sums.vectors.hex() !== digest.vectors)
    throw inconsistent(job, extents, 'do not add up to the digests of the collection')
  // Without layers, a source that gives an id twice is backed up as it is.
  const twice = layers.length === 0 ? null : await findTwice(job, ids.doubtful)
  if (twice !== null) throw inconsistent(job, extents, `have the id ${JSON.stringify(twice)} twice`)
}

interface OpenedLayer {
  readonly layer: Layer
  readonly places: Uint32Array
  readonly deleted: Uint32Array
  readonly deletedIds: readonly string[]
  readonly replacements: ReplacementIndex
}

async function openLayer(job: RowGroupReadJob, layer: Layer): Promise<OpenedLayer> {
  const tombstones = await readTombstones(job, layer)
  return {
    layer,
    places: await readPlaces(job, layer),
    deleted: Uint32Array.from(tombstones, ({ place }) => place),
    deletedIds: tombstones.map(({ id }) => id),
    replacements: new ReplacementIndex(job, layer.replacements),
  }
}

/** The rows of a group that are left, in their latest version. */
async function survivors(
  job: RowGroupReadJob,
  { group, first }: PlacedGroup,
  layers: readonly OpenedLayer[],
): Promise<readonly IndexRow[]> {
  const rows: (IndexRow | null)[] = [...(await readIndexPage(job, group))]
  for (const { layer, places, deleted, deletedIds, replacements } of layers) {
    for (const { at, row } of within(places, first, group.rows)) {
      const latest = await replacements.take(at)
      if (rows[row]?.id !== latest.id)
        throw inconsistent(job, layer.places, `put ${JSON.stringify(latest.id)} where it was not`)
      rows[row] = latest
    }
    for (const { at, row } of within(deleted, first, group.rows)) {
      const id = deletedIds[at] ?? ''
      if (rows[row]?.id !== id)
        throw inconsistent(job, layer.tombstones, `delete ${JSON.stringify(id)} where it was not`)
      rows[row] = null
    }
  }
  return rows.filter((row) => row !== null)
}

function* within(places: Uint32Array, first: number, rows: number) {
  for (let at = firstFrom(places, first); at < places.length; at++) {
    const row = (places[at] ?? Infinity) - first
    if (row >= rows) return
    yield { at, row }
  }
}

/** An id that several records have; only those with one of these hashes come into question. */
async function findTwice(job: RowGroupReadJob, doubtful: ReadonlySet<number>): Promise<string | null> {
  if (doubtful.size === 0) return null
  const seen = new Set<string>()
  for await (const rows of readIndex(job)) {
    for (const { id } of rows) {
      if (!doubtful.has(hashOf(id))) continue
      if (seen.has(id)) return id
      seen.add(id)
    }
  }
  return null
}

/** Which ids may have come twice, by a hash of each: a table with two slots for each record. */
class SeenIds {
  readonly doubtful = new Set<number>()
  readonly #slots: Float64Array

  constructor(records: number) {
    this.#slots = new Float64Array(2 * records + 2)
  }

  add(id: string): void {
    const wanted = hashOf(id)
    let slot = wanted % this.#slots.length
    for (;;) {
      const found = this.#slots[slot]
      if (found === 0) break
      if (found === wanted) {
        this.doubtful.add(wanted)
        return
      }
      slot = (slot + 1) % this.#slots.length
    }
    this.#slots[slot] = wanted
  }
}

/** 48 bits, never 0. */
function hashOf(id: string): number {
  return 1 + hash('sha256', id, 'buffer').readUIntBE(0, 6)
}
