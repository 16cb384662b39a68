import { connectS3, type S3Options } from '../../src/storage/s3-client.js'
import { S3Store } from '../../src/storage/s3-store.js'
import type { FakeS3 } from '../helpers/fake-s3.js'

export interface FakeS3StoreOptions {
  readonly bucket?: string
  readonly prefix?: string
  readonly s3?: S3Options
}

/** A bare S3Store, without retries, on a fake. */
export async function openFakeS3Store(fake: FakeS3, options: FakeS3StoreOptions = {}): Promise<S3Store> {
  const { bucket = 'bucket', prefix = '', s3 = {} } = options
  const { endpoint: endpointUrl, credentials } = fake
  const connection = await connectS3(
    { endpointUrl, credentials, region: 'us-east-1', ...s3 },
    { http: null, https: null },
  )
  return new S3Store(connection, { bucket, prefix })
}
