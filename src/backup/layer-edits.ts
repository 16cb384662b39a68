import type { Catalogue, Layer, RowGroup } from './catalogue.js'
import { rowsOf } from './catalogue.js'
import { inconsistent, type RowGroupReadJob } from './row-group-reader.js'
import type { Extent } from './object-reference.js'

/** What became of a row: it is as the base, or the appends, have it; or else. */
export const OWN = 0
export const DELETED = -1

/** Row groups whose rows have places, with the place of their first row. */
export interface PlacedGroup {
  readonly group: RowGroup
  readonly first: number
}

/** What became of consecutive rows. */
export interface RowFates {
  /** For each row {@link OWN}, {@link DELETED}, or the number of the layer, from 1, that has its latest version. */
  readonly layers: Int16Array
  /** Where a layer has it: its number among the rows of the layer's replacements. */
  readonly rows: Uint32Array
}

/** The base and the appends of all layers, in the order of places. */
export function placedGroups({ rowGroups, layers }: Catalogue): readonly PlacedGroup[] {
  let first = 0
  return [...rowGroups, ...layers.flatMap(({ appends }) => appends)].map((group) => {
    const placed = { group, first }
    first += group.rows
    return placed
  })
}

/** What the layers of a collection change, by place. Memory: 4 bytes for each change. */
export class LayerEdits {
  readonly #layers: readonly { readonly places: Uint32Array; readonly deleted: Uint32Array }[]

  private constructor(layers: readonly { readonly places: Uint32Array; readonly deleted: Uint32Array }[]) {
    this.#layers = layers
  }

  /** Rejects with an ObjectDamagedError when a layer does not refer to rows before it, in ascending order. */
  static async read(job: RowGroupReadJob): Promise<LayerEdits> {
    const { rowGroups, layers } = job.catalogue
    let end = rowsOf(rowGroups)
    const edits = []
    for (const layer of layers) {
      const places = await readPlaces(job, layer)
      const deleted = await readDeleted(job, layer)
      if (!ascendsBelow(places, end))
        throw inconsistent(job, layer.places, 'replaces rows that are not there')
      if (!ascendsBelow(deleted, end))
        throw inconsistent(job, layer.tombstones, 'deletes rows that are not there')
      edits.push({ places, deleted })
      end += rowsOf(layer.appends)
    }
    return new LayerEdits(edits)
  }

  /** What became of the rows of a group; null when all of them are as they were. */
  of({ group, first }: PlacedGroup): RowFates | null {
    const end = first + group.rows
    let fates: RowFates | null = null
    for (const [index, { places, deleted }] of this.#layers.entries()) {
      for (let at = firstFrom(places, first); at < places.length; at++) {
        const place = places[at] ?? end
        if (place >= end) break
        fates ??= noFates(group.rows)
        fates.layers[place - first] = index + 1
        fates.rows[place - first] = at
      }
      for (let at = firstFrom(deleted, first); at < deleted.length; at++) {
        const place = deleted[at] ?? end
        if (place >= end) break
        fates ??= noFates(group.rows)
        fates.layers[place - first] = DELETED
      }
    }
    return fates
  }
}

/** A record that a layer deletes. */
export interface Tombstone {
  readonly place: number
  readonly id: string
}

export function encodeTombstone({ place, id }: Tombstone): Buffer {
  const text = Buffer.from(id, 'utf8')
  const bytes = Buffer.allocUnsafe(8 + text.length)
  bytes.writeUInt32LE(place, 0)
  bytes.writeUInt32LE(text.length, 4)
  bytes.set(text, 8)
  return bytes
}

/** Rejects with an ObjectDamagedError when there are not as many as the layer says. */
export async function readTombstones(job: RowGroupReadJob, layer: Layer): Promise<readonly Tombstone[]> {
  const page = await read(job, layer.tombstones)
  const tombstones: Tombstone[] = []
  let at = 0
  while (at + 8 <= page.length) {
    const end = at + 8 + page.readUInt32LE(at + 4)
    if (end > page.length) break
    tombstones.push({ place: page.readUInt32LE(at), id: page.toString('utf8', at + 8, end) })
    at = end
  }
  if (at !== page.length || tombstones.length !== layer.deleted)
    throw inconsistent(
      job,
      layer.tombstones,
      `does not have the ${layer.deleted} deleted records of its layer`,
    )
  return tombstones
}

async function readDeleted(job: RowGroupReadJob, layer: Layer): Promise<Uint32Array> {
  return Uint32Array.from(await readTombstones(job, layer), ({ place }) => place)
}

export async function readPlaces(job: RowGroupReadJob, layer: Layer): Promise<Uint32Array> {
  const page = await read(job, layer.places)
  const places = new Uint32Array(page.length / 4)
  new Uint8Array(places.buffer).set(page)
  return places
}

async function read({ objects, catalogue, purpose }: RowGroupReadJob, extents: readonly Extent[]) {
  return objects.readExtents(catalogue.objects, extents, purpose)
}

function noFates(rows: number): RowFates {
  return { layers: new Int16Array(rows), rows: new Uint32Array(rows) }
}

function ascendsBelow(places: Uint32Array, end: number): boolean {
  return places.every((place, at) => place < end && (at === 0 || place > (places[at - 1] ?? end)))
}

/** The first index whose place is not below `place`. */
export function firstFrom(places: Uint32Array, place: number): number {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((places[middle] ?? 0) < place) low = middle + 1
    else high = middle
  }
  return low
}
