import { BlobNotFoundError, type BlobStore } from './blob-store.js'

/** Whether the key has a value now. Rejects as {@link BlobStore.stat} does, but for what is not there. */
export async function hasBlob(store: BlobStore, key: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await store.stat(key, signal)
    return true
  } catch (error) {
    if (error instanceof BlobNotFoundError) return false
    throw error
  }
}
