import { addBodies } from './dataset.mjs'
import { backup } from './measure-read.mjs'
import { createCollection, deleteCollection } from './raw-http.mjs'
import { interleave, spread } from './rounds.mjs'

/** Whether a record costs more in a large collection: microseconds per record against those in the smallest. */
export async function measureGrowth({ report, server, counts, dimension, rounds, folder, client, note }) {
  const perRecord = []
  for (const records of counts) {
    const collection = await createCollection(client, 'growth')
    for (const body of addBodies({ records, dimension }, 5000)) {
      await client.send({ path: `${collection.path}/add`, body })
    }
    const seconds = await interleave({
      rounds,
      note,
      contestants: { backup: () => backup({ url: server.url, folder }) },
    })
    await deleteCollection(client, 'growth')
    perRecord.push({ records, seconds: seconds.backup })
  }
  const smallest = spread(perRecord[0].seconds).median / perRecord[0].records
  for (const { records, seconds } of perRecord) {
    report.add({
      name: `${records}x${dimension}: backup, cost of a record / at ${perRecord[0].records}`,
      unit: 'ratio',
      ...spread(seconds.map((taken) => taken / records / smallest)),
      target: '≤ 1.15',
      detail: `${((spread(seconds).median / records) * 1e6).toFixed(1)} µs`,
      samples: seconds,
    })
  }
}
