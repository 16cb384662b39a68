import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { ByteRate } from '../../src/storage/byte-rate.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { MeteredStore } from '../../src/storage/metered-store.js'
import { RetryingStore } from '../../src/storage/retrying-store.js'
import { FakeS3, type FakeS3Options } from '../helpers/fake-s3.js'
import { describeBlobStore } from './conformance.js'
import { openFakeS3Store } from './s3-under-test.js'

describeBlobStore('MemoryStore', async () => ({ store: new MemoryStore(), dispose: async () => {} }))

describeBlobStore('RetryingStore', async () => ({
  store: new RetryingStore(new MemoryStore()),
  dispose: async () => {},
}))

describeBlobStore('MeteredStore', async () => ({
  store: new MeteredStore(new MemoryStore(), { upload: new ByteRate(1e9), download: new ByteRate(1e9) }),
  dispose: async () => {},
}))

describeBlobStore('LocalStore', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
  return {
    store: new LocalStore(path.join(folder, 'made/on/demand')),
    dispose: () => rm(folder, { recursive: true }),
  }
})

const onFake = (options: FakeS3Options, prefix: string) => async () => {
  const fake = await FakeS3.start(options)
  return { store: await openFakeS3Store(fake, { prefix }), dispose: () => fake.stop() }
}

describeBlobStore('S3Store on the fake', onFake({}, 'some/prefix'))
describeBlobStore('S3Store on the fake, without a prefix, pages of three', onFake({ pageSize: 3 }, ''))
describeBlobStore('S3Store on a fake without checksums', onFake({ checksums: false }, 'p'))
