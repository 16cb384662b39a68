import type * as Azure from '@azure/storage-blob'

import { StoreUnsupportedError, type BlobInfo } from './blob-store.js'
import { isKey } from './keys.js'

export interface ListBlobsJob {
  readonly container: Azure.ContainerClient
  /** Prefix of the store: empty, or with a slash at its end. */
  readonly root: string
  readonly prefix: string
  readonly after: string
  readonly signal: AbortSignal | undefined
}

/** The keys below the store's prefix, one page of up to 5000 at a time. */
export async function* listBlobs(job: ListBlobsJob): AsyncGenerator<BlobInfo> {
  const { container, root, prefix, after, signal } = job
  let last = after
  const pages = container
    .listBlobsFlat({
      prefix: root + prefix,
      // A service that does not know it begins at the beginning.
      ...(after === '' || after < prefix ? {} : { startFrom: root + after }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    })
    .byPage()
  for await (const { segment } of pages) {
    for (const { name, properties } of segment.blobItems) {
      const key = name.slice(root.length)
      if (!isKey(key) || key <= after) continue
      if (key <= last)
        throw new StoreUnsupportedError(
          `container ${job.container.containerName} lists its keys in no order (${key} after ${last})`,
          { hint: 'use an account without a hierarchical namespace' },
        )
      last = key
      yield { key, size: properties.contentLength ?? 0, modified: properties.lastModified }
    }
  }
}
