// Backs up every collection of one Chroma server and restores them into another, with the library.
//
//   node examples/backup-and-restore.mjs http://127.0.0.1:8000 ./backups http://127.0.0.1:8001
import { hostname, tmpdir } from 'node:os'

import {
  ChromaApi,
  connectTransport,
  createBackup,
  initRepository,
  openStore,
  restoreBackup,
  seriesOfUrl,
  ServerSource,
  silentProgress,
} from 'chroma-ops'

const [from, place, to] = process.argv.slice(2)
const tenants = ['default_tenant']
// What every call waits for ends when the user presses Ctrl-C.
const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort())
const { signal } = interrupt

const store = await openStore(place, { signal })
try {
  const { repository } = await initRepository({ store, now: new Date(), signal })

  const head = await withServer(from, async (api) => {
    const source = new ServerSource({ api, scope: { tenants }, tempDir: tmpdir() })
    const summary = await createBackup({
      repository,
      source,
      target: { url: source.displayUrl, fingerprint: {} },
      scope: { tenants, databases: null },
      series: seriesOfUrl(from),
      tags: { made: 'by an example' },
      allowEmpty: false,
      allowShrink: false,
      actor: 'example',
      host: hostname(),
      toolVersion: 'example',
      now: () => new Date(),
      progress: silentProgress,
      signal,
    })
    return summary.head
  })
  console.log(`backup ${head.id}: ${head.counts.records} records, ${head.status}`)

  const restored = await withServer(to, (api) =>
    restoreBackup({
      repository,
      head,
      api,
      mode: 'create',
      now: () => new Date(),
      progress: silentProgress,
      signal,
    }),
  )
  for (const { target, records, comparison } of restored.collections) {
    console.log(
      `${target.database}/${target.name}: ${records} records, ${comparison?.equal ? 'equal' : 'different'}`,
    )
  }
} finally {
  await store.close()
}

async function withServer(url, work) {
  const transport = await connectTransport({ url, signal })
  try {
    // Reached once; from here on be patient with a server that restarts.
    transport.useBatchRetries()
    return await work(new ChromaApi(transport))
  } finally {
    await transport.close()
  }
}
