/** Beyond this a declared length is not believed before the bytes are there. */
const MAX_TRUSTED_BYTES = 64 * 1024 * 1024

/**
 * Gathers the body of one answer. Where its length is declared, each piece is copied to its place while it
 * is warm in the cache; that is faster than keeping the pieces and joining them at the end.
 */
export class BodyBuffer {
  #buffer: Buffer | null = null
  #chunks: Buffer[] = []
  #length = 0

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** `contentLength`: the header of the answer. */
  expect(contentLength: string | string[] | undefined): void {
    const bytes = Number(contentLength)
    if (bytes > 0 && bytes <= MAX_TRUSTED_BYTES) this.#buffer = Buffer.allocUnsafeSlow(bytes)
  }

  append(chunk: Buffer): void {
    if (this.#buffer === null) this.#chunks.push(chunk)
    else this.#buffer.set(chunk, this.#length)
    this.#length += chunk.length
  }

  whole(): Buffer {
    return this.#buffer ?? Buffer.concat(this.#chunks, this.#length)
  }
}
