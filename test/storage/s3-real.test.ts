import { env } from 'node:process'

import { describe, test } from '@jest/globals'

import { openStore } from '../../src/storage/open-store.js'
import { connectS3 } from '../../src/storage/s3-client.js'
import { S3Store } from '../../src/storage/s3-store.js'
import { describeBlobStore } from './conformance.js'

/**
 * The same suite against any S3 service. `aws` as the endpoint means AWS itself; credentials and region are
 * what the SDK finds: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION.
 */
const endpoint = env['CHROMA_OPS_TEST_S3_ENDPOINT']
const bucket = env['CHROMA_OPS_TEST_S3_BUCKET'] ?? 'chroma-ops-test'
const s3 = endpoint === 'aws' ? {} : { endpointUrl: endpoint }
const prefix = `run-${Date.now().toString(36)}`

if (endpoint === undefined) {
  describe('S3Store on a real service', () => {
    test.skip('skipped: CHROMA_OPS_TEST_S3_ENDPOINT names no service', () => {})
  })
} else {
  describeBlobStore(`S3Store on ${endpoint}`, async () => ({
    store: new S3Store(await connectS3(s3, { http: null, https: null }), { bucket, prefix }),
    dispose: async () => {},
  }))

  describeBlobStore(`openStore on ${endpoint}`, async () => ({
    store: await openStore(`s3://${bucket}/${prefix}/retrying`, { s3 }),
    dispose: async () => {},
  }))
}
