import { rm } from 'node:fs/promises'

import { addBodies } from './dataset.mjs'
import { library, silent } from './library.mjs'
import { backup } from './measure-read.mjs'
import { createCollection, deleteCollection } from './raw-http.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

const RECORDS_PER_BODY = [500, 1000, 2500, 5000]

/**
 * A restore without its final comparison, against prepared bodies sent by one writer. Bodies of several sizes compete
 * in the same rounds; the ceiling is the size with the best median.
 */
export async function measureWrite({
  report,
  server,
  size,
  collection,
  rounds,
  cores,
  folder,
  client,
  note,
}) {
  const { repository, place, summary } = await backup({ url: server.url, folder, keep: true })
  const strategies = Object.fromEntries(
    RECORDS_PER_BODY.map((perBody) => [
      `bodies of ${perBody}`,
      () => writeBodies(client, [...addBodies(size, perBody)]),
    ]),
  )
  try {
    const seconds = await interleave({
      rounds,
      note,
      contestants: {
        restore: () => restore({ client, url: server.url, repository, head: summary.head, collection }),
        ...strategies,
      },
    })
    const best = Object.keys(strategies).reduce((a, b) =>
      spread(seconds[a]).median <= spread(seconds[b]).median ? a : b,
    )
    report.add({
      name: `${size.label} ${cores}: restore without comparison / write ceiling`,
      unit: 'ratio',
      ...speedRatio(seconds.restore, seconds[best]),
      target: '≥ 0.95',
      detail: `${Math.round(size.records / spread(seconds.restore).median)} records/s, ceiling: ${best}`,
      samples: seconds,
    })
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

async function writeBodies(client, bodies) {
  const collection = await createCollection(client, 'written')
  const started = performance.now()
  for (const body of bodies) await client.send({ path: `${collection.path}/add`, body })
  const seconds = (performance.now() - started) / 1000
  await deleteCollection(client, 'written')
  return seconds
}

/** One restore under another name; returns its seconds. */
export async function restore({ client, url, repository, head, collection, compare = false }) {
  const started = performance.now()
  const transport = await library.connectTransport({ url })
  try {
    transport.useBatchRetries()
    await library.restoreBackup({
      repository,
      head,
      api: new library.ChromaApi(transport),
      mode: 'create',
      rename: new Map([[collection.name, 'restored']]),
      compare,
      now: () => new Date(),
      progress: silent,
    })
  } finally {
    await transport.close()
  }
  const seconds = (performance.now() - started) / 1000
  await deleteCollection(client, 'restored')
  return seconds
}
