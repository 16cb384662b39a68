import { hash } from 'node:crypto'

import * as v from 'valibot'

/** An object holds at most so many bytes before they are packed. */
export const MAX_OBJECT_BYTES = 8 * 1024 * 1024

/** How the stored bytes of an object are made from its plaintext. */
export type Encoding = 'raw' | 'gzip'

/** One stored object, as catalogues and manifests name it. */
export interface ObjectReference {
  /** The backup that wrote it. */
  readonly backup: string
  /** Content id: the first 32 hexadecimal digits of the SHA-256 of the plaintext. */
  readonly id: string
  /** SHA-256 of the stored bytes. */
  readonly sha256: string
  /** Stored bytes. */
  readonly size: number
  /** Bytes of plaintext. */
  readonly length: number
  readonly encoding: Encoding
}

/**
 * A piece of plaintext: index into the table of objects beside it, offset and length in bytes. A list of
 * extents means their concatenation.
 */
export type Extent = readonly [object: number, offset: number, length: number]

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

export const sha256Schema = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))

export const digestSchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))

export const countSchema = count

export const objectReferenceSchema = v.object({
  backup: v.pipe(v.string(), v.regex(/^[0-9A-Za-z-]{1,100}$/)),
  id: digestSchema,
  sha256: sha256Schema,
  size: count,
  length: v.pipe(count, v.maxValue(MAX_OBJECT_BYTES)),
  encoding: v.picklist(['raw', 'gzip']),
})

export const extentsSchema = v.array(v.tuple([count, count, count]))

export function objectKey({ backup, id, sha256 }: ObjectReference): string {
  return `${objectPrefix(backup)}${id}.${sha256}`
}

/** Where a backup puts the objects that it writes. */
export function objectPrefix(backup: string): string {
  return `objects/${backup}/`
}

export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

export function contentId(plaintextSha256: string): string {
  return plaintextSha256.slice(0, 32)
}

export function extentsLength(extents: readonly Extent[]): number {
  return extents.reduce((sum, [, , length]) => sum + length, 0)
}
