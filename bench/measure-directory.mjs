import { join } from 'node:path'

import { withCpuTime } from './cpu-time.mjs'
import { library } from './library.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

/**
 * Every record of a collection, vectors included, from the files of the data directory and through the server that
 * keeps them; read and thrown away. Nobody writes meanwhile, so that the files may be read where they are.
 */
export async function measureDirectory({ report, server, size, rounds, folder, note }) {
  const cpu = { directory: [], server: [] }
  const counted = (name, read) => async () => {
    const run = await withCpuTime(server.pid, read)
    cpu[name].push(run.client + run.server)
  }
  const seconds = await interleave({
    rounds,
    note,
    contestants: {
      directory: counted('directory', () => readDirectory(join(folder, 'chroma'), size.records)),
      server: counted('server', () => readServer(server.url, folder, size.records)),
    },
  })
  const perRecord = (values) => `${((spread(values).median / size.records) * 1e6).toFixed(0)} µs`
  report.add({
    name: `${size.label}: records from the directory / through the server`,
    unit: 'ratio',
    ...speedRatio(seconds.directory, seconds.server),
    target: '≥ 3',
    detail: `${Math.round(size.records / spread(seconds.directory).median)} records/s; processor time of a record: ${perRecord(cpu.directory)}, through the server ${perRecord(cpu.server)}`,
    samples: seconds,
  })
}

async function readDirectory(path, records) {
  const directory = await library.openDataDirectory(path)
  try {
    await readAll(new library.DirectorySource(directory), records)
  } finally {
    directory.close()
  }
}

async function readServer(url, tempDir, records) {
  const transport = await library.connectTransport({ url })
  try {
    const api = new library.ChromaApi(transport)
    const scope = { tenants: ['default_tenant'] }
    await readAll(new library.ServerSource({ api, scope, tempDir }), records)
  } finally {
    await transport.close()
  }
}

async function readAll(source, records) {
  let read = 0
  for (const definition of await source.listCollections()) {
    const reader = await source.openCollection(definition)
    for await (const batch of reader.batches()) read += batch.ids.length - batch.missingEmbeddings.length
  }
  if (read !== records) throw new Error(`${read} of ${records} records were read`)
}
