import { type AzureOptions, connectAzure } from '../../src/storage/azure-client.js'
import { AzureStore } from '../../src/storage/azure-store.js'
import type { BlobStore } from '../../src/storage/blob-store.js'
import { connectGcs, type GcsOptions } from '../../src/storage/gcs-client.js'
import { GcsStore } from '../../src/storage/gcs-store.js'
import { FakeAzure, type FakeAzureOptions } from '../helpers/fake-azure.js'
import { FakeGcs, type FakeGcsOptions } from '../helpers/fake-gcs.js'
import type { Fault } from '../helpers/fake-s3.js'

/** A bare store, without retries, on a fake service, so that one test can be run on every service. */
export interface CloudUnderTest {
  readonly store: BlobStore
  readonly stored: ReadonlyMap<string, unknown>
  readonly methods: () => string[]
  readonly inflict: (fault: (request: { readonly method: string }) => Fault | null) => void
  readonly tamper: (change: (raw: Buffer) => Buffer) => void
  readonly endpoint: string
  stop(): Promise<void>
}

export interface CloudOptions {
  /** Entries in one page of a listing. */
  readonly pageSize?: number
  readonly prefix?: string
  readonly idleTimeoutMs?: number
  /** The bucket or container that is asked for; default: one that is there. */
  readonly place?: string
}

export async function startAzure(
  options: CloudOptions = {},
  fakeOptions: FakeAzureOptions = {},
  azure: (fake: FakeAzure) => AzureOptions = ({ connectionString }) => ({ connectionString }),
): Promise<CloudUnderTest> {
  const { pageSize, prefix = '', idleTimeoutMs, place = 'backups' } = options
  const fake = await FakeAzure.start({ ...(pageSize !== undefined && { pageSize }), ...fakeOptions })
  const location = { host: null, container: place, prefix }
  const store = new AzureStore(await connectAzure({ idleTimeoutMs, ...azure(fake) }, location), location)
  return {
    store,
    stored: fake.blobs(),
    endpoint: fake.endpoint,
    methods: () => fake.requests.map(({ method }) => method),
    inflict: (fault) => (fake.fault = fault),
    tamper: (change) => (fake.tamper = change),
    stop: async () => {
      await store.close()
      await fake.stop()
    },
  }
}

export async function startGcs(
  options: CloudOptions = {},
  fakeOptions: FakeGcsOptions = {},
  gcs: GcsOptions = {},
): Promise<CloudUnderTest> {
  const { pageSize, prefix = '', idleTimeoutMs, place = 'bucket' } = options
  const fake = await FakeGcs.start({ ...(pageSize !== undefined && { pageSize }), ...fakeOptions })
  const connection = await connectGcs({ endpointUrl: fake.endpoint, idleTimeoutMs, ...gcs })
  const store = new GcsStore(connection, { bucket: place, prefix })
  return {
    store,
    stored: fake.objects(),
    endpoint: fake.endpoint,
    methods: () => fake.requests.map(({ method }) => method),
    inflict: (fault) => (fake.fault = fault),
    tamper: (change) => (fake.tamper = change),
    stop: async () => {
      await store.close()
      await fake.stop()
    },
  }
}
