import { open, stat } from 'node:fs/promises'

import { isErrno, throwIfAborted, UsageError } from '../core/errors.js'
import { shellWord } from '../core/shell-word.js'
import type { AzureOptions } from './azure-client.js'
import { StoreNotFoundError, StoreUnsupportedError, type BlobStore } from './blob-store.js'
import type { GcsOptions } from './gcs-client.js'
import { localError } from './local-errors.js'
import { ByteRate } from './byte-rate.js'
import { LocalStore } from './local-store.js'
import { MemoryStore } from './memory-store.js'
import { MeteredStore, type StoreTraffic } from './metered-store.js'
import { RetryingStore, type StoreRetries } from './retrying-store.js'
import { connectS3, type S3Options } from './s3-client.js'
import { S3Store } from './s3-store.js'
import { parseStoreUrl } from './store-url.js'
import { TarStore } from './tar-store.js'
import { proxyAgents, type ProxyChoice } from './tunnel-agent.js'

export interface StoreOptions {
  readonly s3?: S3Options | undefined
  readonly azure?: AzureOptions | undefined
  readonly gcs?: GcsOptions | undefined
  /** Which proxy to use for an endpoint; default: none. */
  readonly proxy?: ProxyChoice | undefined
  readonly retry?: StoreRetries | undefined
  /** Bytes each second, for all transfers of this store together; at least one blob is always under way. */
  readonly limitUpload?: number | undefined
  readonly limitDownload?: number | undefined
  /** Told after each transfer. */
  readonly onTraffic?: ((traffic: StoreTraffic) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const memories = new Map<string, MemoryStore>()

/**
 * The store at an address, see {@link parseStoreUrl}; a path may be that of a tar archive, which can only be read;
 * `memory://name` is shared within this process. Contacts
 * no service: a wrong bucket is told by the first call. Rejects with {@link UsageError} for a bad address,
 * StoreUnsupportedError when the service's SDK is not installed. Close the store after use.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<BlobStore> {
  throwIfAborted(options.signal)
  const location = parseStoreUrl(url)
  switch (location.type) {
    case 'local':
      return metered(await localStore(location.path, options.signal), options)
    case 'memory':
      return metered(namedMemory(location.name), options)
    case 's3': {
      const connection = await connectS3(options.s3 ?? {}, proxyAgents(options.proxy, options.s3?.maxSockets))
      return retrying(new S3Store(connection, location), options)
    }
    case 'azure': {
      const [{ connectAzure }, { AzureStore }] = await Promise.all([
        import('./azure-client.js'),
        import('./azure-store.js'),
      ])
      const connection = await connectAzure(options.azure ?? {}, location, options.proxy)
      return retrying(new AzureStore(connection, location), options)
    }
    case 'gcs': {
      const [{ connectGcs }, { GcsStore }] = await Promise.all([
        import('./gcs-client.js'),
        import('./gcs-store.js'),
      ])
      const connection = await connectGcs(options.gcs, options.proxy)
      return retrying(new GcsStore(connection, location), options)
    }
  }
}

/** A folder, or an archive of one; see {@link TarStore}. */
async function localStore(path: string, signal: AbortSignal | undefined): Promise<BlobStore> {
  if (!(await isArchive(path))) {
    await isFolder(path)
    return new LocalStore(path)
  }
  if (await isEncryptedArchive(path))
    throw new StoreUnsupportedError(`${path} is encrypted for age recipients`, {
      hint: `put its backup into a repository: "chroma-ops backup import ${shellWord(path)} --age-identity-file KEY --repo OTHER"`,
    })
  return TarStore.open(path, signal)
}

/** Any file with bytes in it; an empty one is none. */
async function isArchive(path: string): Promise<boolean> {
  try {
    const found = await stat(path)
    return found.isFile() && found.size > 0
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw localError(error, `open ${path}`)
  }
}

const AGE = 'age-encryption.org/'

async function isEncryptedArchive(path: string): Promise<boolean> {
  try {
    const handle = await open(path)
    try {
      const { buffer } = await handle.read(Buffer.alloc(AGE.length), 0, AGE.length, 0)
      return buffer.toString('latin1') === AGE
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw localError(error, `read ${path}`)
  }
}

/** Repetitions count and are limited too: they use the line as well. */
function retrying(store: BlobStore, options: StoreOptions): BlobStore {
  return new RetryingStore(metered(store, options), options.retry)
}

function metered(store: BlobStore, { limitUpload, limitDownload, onTraffic }: StoreOptions): BlobStore {
  return new MeteredStore(store, {
    upload: limitUpload === undefined ? undefined : new ByteRate(limitUpload),
    download: limitDownload === undefined ? undefined : new ByteRate(limitDownload),
    onTraffic,
  })
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
