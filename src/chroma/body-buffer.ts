/** Beyond this a declared length is not believed before the bytes are there. */
const MAX_TRUSTED_BYTES = 64 * 1024 * 1024

/** A multiple of this is reserved, so that answers of nearly equal length can share a buffer. */
const STEP_BYTES = 1024 * 1024

/** Buffers that wait to be used again: as many as a transfer has answers under way. */
const MOST_SPARE = 4
/** Larger ones are rare; waiting, they would only take memory. */
const LARGEST_SPARE = 8 * STEP_BYTES

/**
 * Buffers of answers that have been decoded. Without them every answer takes fresh memory from outside the
 * heap of V8, which collects all of its heap after each 64 MB of that.
 */
export class SpareBuffers {
  readonly #spare: Buffer[] = []

  /** At least so many bytes. */
  take(bytes: number): Buffer {
    const fitting = this.#spare.findIndex((buffer) => buffer.length >= bytes)
    const [found] = fitting < 0 ? [] : this.#spare.splice(fitting, 1)
    return found ?? Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES)
  }

  /** Nobody may look at the buffer any more. */
  give(buffer: Buffer): void {
    if (buffer.length > LARGEST_SPARE) return
    this.#spare.push(buffer)
    // The smallest are the least useful.
    this.#spare.sort((a, b) => a.length - b.length)
    if (this.#spare.length > MOST_SPARE) this.#spare.shift()
  }
}

/**
 * Gathers the body of one answer. Where its length is declared, each piece is copied to its place while it
 * is warm in the cache; that is faster than keeping the pieces and joining them at the end.
 */
export class BodyBuffer {
  readonly #spare: SpareBuffers
  #buffer: Buffer | null = null
  #borrowed: Buffer | null = null
  #chunks: Buffer[] = []
  #length = 0

  constructor(spare: SpareBuffers) {
    this.#spare = spare
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** `contentLength`: the header of the answer. */
  expect(contentLength: string | string[] | undefined): void {
    const bytes = Number(contentLength)
    if (!(bytes > 0 && bytes <= MAX_TRUSTED_BYTES)) return
    if (bytes < STEP_BYTES / 2) {
      this.#buffer = Buffer.allocUnsafeSlow(bytes)
    } else {
      this.#borrowed = this.#spare.take(bytes)
      this.#buffer = this.#borrowed.subarray(0, bytes)
    }
  }

  append(chunk: Buffer): void {
    if (this.#buffer === null) this.#chunks.push(chunk)
    else this.#buffer.set(chunk, this.#length)
    this.#length += chunk.length
  }

  whole(): Buffer {
    return this.#buffer ?? Buffer.concat(this.#chunks, this.#length)
  }

  /** The bytes of {@link whole} will not be looked at any more; their memory takes another answer. */
  recycle(): void {
    if (this.#borrowed !== null) this.#spare.give(this.#borrowed)
    this.#borrowed = null
  }
}
