import { StoreUnsupportedError, type BlobInfo } from './blob-store.js'
import { isKey } from './keys.js'
import type { S3Connection } from './s3-client.js'

export interface ListObjectsJob {
  readonly connection: S3Connection
  readonly bucket: string
  /** Prefix of the store: empty, or with a slash at its end. */
  readonly root: string
  readonly prefix: string
  readonly after: string
  readonly signal: AbortSignal | undefined
}

/** The keys below the store's prefix, one page of 1000 at a time. */
export async function* listObjects(job: ListObjectsJob): AsyncGenerator<BlobInfo> {
  const { root, prefix, after, signal } = job
  const { sdk, client } = job.connection
  let last = after
  let token: string | undefined
  do {
    const page = await client.send(
      new sdk.ListObjectsV2Command({
        Bucket: job.bucket,
        Prefix: root + prefix,
        // Names of other programs may hold what XML cannot.
        EncodingType: 'url',
        ...(token !== undefined
          ? { ContinuationToken: token }
          : after !== ''
            ? { StartAfter: root + after }
            : {}),
      }),
      signal === undefined ? {} : { abortSignal: signal },
    )
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      const key = decode(Key ?? '').slice(root.length)
      // A service that ignores StartAfter begins at the beginning.
      if (!isKey(key) || key <= after) continue
      if (key <= last)
        throw new StoreUnsupportedError(
          `bucket ${job.bucket} lists its keys in no order (${key} after ${last})`,
        )
      last = key
      yield { key, size: Size ?? 0, modified: LastModified ?? new Date(0) }
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

/** Empty, and so no key, for what cannot be decoded. */
function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return ''
  }
}
