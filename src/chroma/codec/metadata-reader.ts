import { metadataValueFromJson } from '../../core/metadata-json.js'
import type { Metadata, MetadataScalar, MetadataValue } from '../../core/metadata.js'
import { decodeJson } from '../answers.js'
import type { BodyCursor } from './body-cursor.js'
import { numberIn } from './json-number.js'
import { KeyCache } from './key-cache.js'

/** Reads the metadata of records, one after another. */
export class MetadataReader {
  readonly #cursor: BodyCursor
  readonly #keys = new KeyCache()

  constructor(cursor: BodyCursor) {
    this.#cursor = cursor
  }

  /** The metadata that is next; null for null, for `{}`, and when every value is null. */
  read(): Metadata | null {
    const cursor = this.#cursor
    if (cursor.takeNull()) return null
    cursor.expect('{')
    if (cursor.take('}')) return null
    const metadata = new Map<string, MetadataValue>()
    do {
      const key = this.#key()
      cursor.expect(':')
      // A value that JSON cannot express (NaN) comes as null: to Chroma the key is absent then.
      if (!cursor.takeNull()) metadata.set(key, this.#value())
    } while (cursor.take(','))
    cursor.expect('}')
    return metadata.size === 0 ? null : metadata
  }

  #key(): string {
    const cursor = this.#cursor
    const { bytes } = cursor
    const start = cursor.openString()
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (byte === 0x22) {
        cursor.at = at + 1
        return this.#keys.get(bytes, start, at)
      }
      if (byte === 0x5c || byte >= 0x80 || byte < 0x20) break
    }
    return cursor.string()
  }

  #value(): MetadataValue {
    const cursor = this.#cursor
    switch (cursor.peek()) {
      case 0x5b: {
        const list: MetadataScalar[] = []
        cursor.elements(() => list.push(this.#scalar()))
        return list
      }
      case 0x7b:
        return this.#object()
      default:
        return this.#scalar()
    }
  }

  #scalar(): MetadataScalar {
    const cursor = this.#cursor
    switch (cursor.peek()) {
      case 0x22:
        return cursor.string()
      case 0x74:
        cursor.word('true')
        return true
      case 0x66:
        cursor.word('false')
        return false
      default: {
        const start = cursor.number()
        return numberIn(cursor.bytes, start, cursor.at)
      }
    }
  }

  /** A sparse vector; rare, so not worth a fast path. */
  #object(): MetadataValue {
    const cursor = this.#cursor
    const start = cursor.at
    cursor.skipValue()
    const value = metadataValueFromJson(decodeJson(cursor.bytes.subarray(start, cursor.at)))
    return value ?? cursor.fail('metadata of an unknown kind', start)
  }
}
