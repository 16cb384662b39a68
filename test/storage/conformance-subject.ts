import type { BlobStore } from '../../src/storage/blob-store.js'

export interface StoreUnderTest {
  readonly store: BlobStore
  dispose(): Promise<void>
}

/** What a test of the contract works on. */
export class Subject {
  #subject: StoreUnderTest | null = null
  #tests = 0
  /** The beginning of keys that no other test uses. */
  folder = ''

  async open(setup: () => Promise<StoreUnderTest>): Promise<void> {
    this.#subject = await setup()
  }

  nextTest(): void {
    this.folder = `conformance/${Date.now().toString(36)}-${this.#tests++}`
  }

  get store(): BlobStore {
    if (this.#subject === null) throw new Error('the store is not open')
    return this.#subject.store
  }

  /** Leaves nothing in a store that lives on. */
  async close(): Promise<void> {
    for (const key of await this.keysOf('conformance/')) await this.store.delete(key)
    await this.#subject?.store.close()
    await this.#subject?.dispose()
  }

  async keysOf(prefix: string, after?: string): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.store.list(prefix, undefined, after)) keys.push(key)
    return keys
  }

  async read(key: string): Promise<string> {
    return text((await this.store.get(key)).bytes)
  }
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value)
}
