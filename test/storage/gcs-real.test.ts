import { env } from 'node:process'

import { describe, test } from '@jest/globals'

import { connectGcs } from '../../src/storage/gcs-client.js'
import { GcsStore } from '../../src/storage/gcs-store.js'
import { openStore } from '../../src/storage/open-store.js'
import { describeBlobStore } from './conformance.js'

/**
 * The same suite against Google Cloud Storage or an emulator of it. `google` as the endpoint means Google
 * itself, with application default credentials.
 */
const endpoint = env['CHROMA_OPS_TEST_GCS_ENDPOINT']
const bucket = env['CHROMA_OPS_TEST_GCS_BUCKET'] ?? 'chroma-ops-test'
const gcs = endpoint === 'google' ? {} : { endpointUrl: endpoint }
const prefix = `run-${Date.now().toString(36)}`

if (endpoint === undefined) {
  describe('GcsStore on a real service', () => {
    test.skip('skipped: CHROMA_OPS_TEST_GCS_ENDPOINT names no service', () => {})
  })
} else {
  describeBlobStore(`GcsStore on ${endpoint}`, async () => ({
    store: new GcsStore(await connectGcs(gcs), { bucket, prefix }),
    dispose: async () => {},
  }))

  describeBlobStore(`openStore on ${endpoint}`, async () => ({
    store: await openStore(`gs://${bucket}/${prefix}/retrying`, { gcs }),
    dispose: async () => {},
  }))
}
