import { stat } from 'node:fs/promises'

import { isErrno, throwIfAborted, UsageError } from '../core/errors.js'
import type { AzureOptions } from './azure-client.js'
import { StoreNotFoundError, type BlobStore } from './blob-store.js'
import type { GcsOptions } from './gcs-client.js'
import { localError } from './local-errors.js'
import { LocalStore } from './local-store.js'
import { MemoryStore } from './memory-store.js'
import { RetryingStore, type StoreRetries } from './retrying-store.js'
import { connectS3, type S3Options } from './s3-client.js'
import { S3Store } from './s3-store.js'
import { parseStoreUrl } from './store-url.js'
import { proxyAgents, type ProxyChoice } from './tunnel-agent.js'

export interface StoreOptions {
  readonly s3?: S3Options | undefined
  readonly azure?: AzureOptions | undefined
  readonly gcs?: GcsOptions | undefined
  /** Which proxy to use for an endpoint; default: none. */
  readonly proxy?: ProxyChoice | undefined
  readonly retry?: StoreRetries | undefined
  readonly signal?: AbortSignal | undefined
}

const memories = new Map<string, MemoryStore>()

/**
 * The store at an address, see {@link parseStoreUrl}; `memory://name` is shared within this process. Contacts
 * no service: a wrong bucket is told by the first call. Rejects with {@link UsageError} for a bad address,
 * StoreUnsupportedError when the service's SDK is not installed. Close the store after use.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<BlobStore> {
  throwIfAborted(options.signal)
  const location = parseStoreUrl(url)
  switch (location.type) {
    case 'local':
      await isFolder(location.path)
      return new LocalStore(location.path)
    case 'memory':
      return namedMemory(location.name)
    case 's3': {
      const connection = await connectS3(options.s3 ?? {}, proxyAgents(options.proxy, options.s3?.maxSockets))
      return new RetryingStore(new S3Store(connection, location), options.retry)
    }
    case 'azure': {
      const [{ connectAzure }, { AzureStore }] = await Promise.all([
        import('./azure-client.js'),
        import('./azure-store.js'),
      ])
      const connection = await connectAzure(options.azure ?? {}, location, options.proxy)
      return new RetryingStore(new AzureStore(connection, location), options.retry)
    }
    case 'gcs': {
      const [{ connectGcs }, { GcsStore }] = await Promise.all([
        import('./gcs-client.js'),
        import('./gcs-store.js'),
      ])
      const connection = await connectGcs(options.gcs, options.proxy)
      return new RetryingStore(new GcsStore(connection, location), options.retry)
    }
  }
}

function namedMemory(name: string): MemoryStore {
  const known = memories.get(name) ?? new MemoryStore(name)
  memories.set(name, known)
  return known
}

/**
 * Rejects with {@link StoreNotFoundError} when `url` is a folder that is not there. For what writes to a store
 * that must exist: the store itself would make the folder.
 */
export async function requireFolder(url: string): Promise<void> {
  const location = parseStoreUrl(url)
  if (location.type !== 'local' || (await isFolder(location.path))) return
  throw new StoreNotFoundError(`there is no folder ${location.path}`, {
    hint: 'check the path, or create the folder',
  })
}

/** False when nothing is there. */
async function isFolder(path: string): Promise<boolean> {
  const hint = 'name the folder that holds the repository'
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    if (isErrno(error, 'ENOTDIR'))
      throw new UsageError(`${path} cannot be a folder: a part of the path is a file`, { hint, cause: error })
    throw localError(error, `open ${path}`)
  }
  throw new UsageError(`${path} is not a folder`, { hint })
}
