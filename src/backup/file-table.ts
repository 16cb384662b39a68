import * as v from 'valibot'

import { ObjectDamagedError } from './errors.js'
import type { BackupContents, BackupHead } from './manifest.js'
import type { ObjectReader } from './object-reader.js'
import {
  countSchema,
  digestSchema,
  objectKey,
  objectReferenceSchema,
  type ObjectReference,
} from './object-reference.js'

/**
 * A block of a file: index into the table of objects, offset of its bytes in the plaintext, content id of the
 * bytes. Or a number: so many blocks of zeros, which are not stored.
 */
export type Block = readonly [object: number, offset: number, id: string] | number

/**
 * Bytes of a file that are cut into blocks by themselves. A file is one run of bytes; or records of the same
 * length each, whose parts are kept apart because they change apart: all first parts, all second parts, and
 * what follows the last whole record.
 */
export interface Plane {
  /** Bytes of all blocks together; every block but the last has the file's `blockSize`. */
  readonly size: number
  readonly blocks: readonly Block[]
}

export interface FileEntry {
  /** Relative to the data directory, with `/`. */
  readonly path: string
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  readonly mtimeMs: number
  readonly blockSize: number
  /** Lengths of the parts of a record; empty for a file that is one run of bytes. */
  readonly parts: readonly number[]
  /** One; or one for each part and one for the rest. */
  readonly planes: readonly Plane[]
}

export interface FolderEntry {
  readonly path: string
  readonly mode: number
}

/** The files of a physical backup. */
export interface FileTable {
  readonly format: 1
  readonly objects: readonly ObjectReference[]
  /** Parents before what they hold. */
  readonly folders: readonly FolderEntry[]
  /** Sorted by path. */
  readonly files: readonly FileEntry[]
}

export const MIN_BLOCK_BYTES = 4096
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024

/** A path inside the directory: no absolute path, no way out. */
const pathSchema = v.pipe(
  v.string(),
  v.check((text) => text.split('/').every((name) => !['', '.', '..'].includes(name) && !name.includes('\0'))),
)
const modeSchema = v.pipe(countSchema, v.maxValue(0o7777))
const blockSchema = v.union([v.tuple([countSchema, countSchema, digestSchema]), countSchema])

const tableSchema = v.object({
  format: v.literal(1),
  objects: v.array(objectReferenceSchema),
  folders: v.array(v.object({ path: pathSchema, mode: modeSchema })),
  files: v.array(
    v.object({
      path: pathSchema,
      size: countSchema,
      mode: modeSchema,
      mtimeMs: v.number(),
      blockSize: v.pipe(countSchema, v.minValue(MIN_BLOCK_BYTES), v.maxValue(MAX_BLOCK_BYTES)),
      parts: v.array(v.pipe(countSchema, v.minValue(1))),
      planes: v.array(v.object({ size: countSchema, blocks: v.array(blockSchema) })),
    }),
  ),
})

export function encodeFileTable(table: FileTable): Buffer {
  return Buffer.from(JSON.stringify(table))
}

/** Rejects with an {@link ObjectDamagedError} when the table is not what it should be. */
export async function readFileTable(
  reader: ObjectReader,
  head: BackupHead,
  contents: BackupContents,
  signal?: AbortSignal,
): Promise<FileTable> {
  const extents = contents.files ?? []
  const text = await reader.readExtents(contents.objects, extents, { collection: null, signal })
  const parsed = v.safeParse(tableSchema, jsonOf(text))
  if (parsed.success && parsed.output.files.every((file) => isWhole(file, parsed.output.objects)))
    return parsed.output
  const key = extents.flatMap(([object]) => contents.objects[object] ?? []).map(objectKey)
  const damage = { key: key.join(' '), backup: head.id, collection: null }
  throw new ObjectDamagedError('inconsistent', damage, 'is not a table of files')
}

/** The sizes of the planes of a file: of its parts, and of what follows the last whole record. */
export function planeSizes(size: number, parts: readonly number[]): readonly number[] {
  if (parts.length === 0) return [size]
  const record = parts.reduce((sum, part) => sum + part, 0)
  const records = Math.floor(size / record)
  return [...parts.map((part) => part * records), size - record * records]
}

function isWhole(file: FileEntry, objects: readonly ObjectReference[]): boolean {
  const sizes = planeSizes(file.size, file.parts)
  return (
    file.planes.length === sizes.length &&
    file.planes.every(({ size, blocks }, index) => {
      const expected = Math.ceil(size / file.blockSize)
      const counted = blocks.reduce<number>((sum, block) => sum + (typeof block === 'number' ? block : 1), 0)
      return size === sizes[index] && counted === expected && blocks.every((block) => isThere(block, objects))
    })
  )
}

function isThere(block: Block, objects: readonly ObjectReference[]): boolean {
  return typeof block === 'number' || objects[block[0]] !== undefined
}

function jsonOf(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
