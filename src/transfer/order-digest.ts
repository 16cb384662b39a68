import { createHash, type Hash } from 'node:crypto'

/** The digest of a sequence of ids: equal for equal ids in equal order, however they were cut into pieces. */
export class OrderDigest {
  readonly #hash: Hash = createHash('sha256')

  add(ids: readonly string[]): void {
    if (ids.length > 0) this.#hash.update(ids.map((id) => `${id.length}:${id}`).join(''))
  }

  hex(): string {
    return this.#hash.copy().digest('hex')
  }
}
