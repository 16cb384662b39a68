import { describeBlobStore } from './conformance.js'
import { type CloudUnderTest, startAzure, startGcs } from './cloud-under-test.js'

const on = (start: () => Promise<CloudUnderTest>) => async () => {
  const cloud = await start()
  return { store: cloud.store, dispose: () => cloud.stop() }
}

describeBlobStore(
  'AzureStore on the fake',
  on(() => startAzure({ prefix: 'some/prefix' })),
)
describeBlobStore(
  'AzureStore on a fake that knows no startFrom, pages of three',
  on(() => startAzure({ pageSize: 3 }, { startFrom: false })),
)
describeBlobStore(
  'GcsStore on the fake',
  on(() => startGcs({ prefix: 'some/prefix' })),
)
describeBlobStore(
  'GcsStore on a fake that knows no startOffset, pages of three',
  on(() => startGcs({ pageSize: 3 }, { startOffset: false })),
)
