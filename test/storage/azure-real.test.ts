import { env } from 'node:process'

import { describe, test } from '@jest/globals'

import { connectAzure } from '../../src/storage/azure-client.js'
import { AzureStore } from '../../src/storage/azure-store.js'
import { openStore } from '../../src/storage/open-store.js'
import { describeBlobStore } from './conformance.js'

/** The same suite against Azure or an emulator of it, with the credentials of the environment. */
const connectionString = env['CHROMA_OPS_TEST_AZURE_CONNECTION_STRING']
const container = env['CHROMA_OPS_TEST_AZURE_CONTAINER'] ?? 'chroma-ops-test'
const prefix = `run-${Date.now().toString(36)}`

if (connectionString === undefined) {
  describe('AzureStore on a real service', () => {
    test.skip('skipped: CHROMA_OPS_TEST_AZURE_CONNECTION_STRING names no service', () => {})
  })
} else {
  describeBlobStore('AzureStore on a real service', async () => {
    const location = { host: null, container, prefix }
    return {
      store: new AzureStore(await connectAzure({ connectionString }, location), location),
      dispose: async () => {},
    }
  })

  describeBlobStore('openStore on real Azure', async () => ({
    store: await openStore(`azblob://${container}/${prefix}/retrying`, { azure: { connectionString } }),
    dispose: async () => {},
  }))
}
