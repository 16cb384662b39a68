import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { library } from './library.mjs'
import { backup } from './measure-read.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

/** The same backup of a real server to local disk, into an encrypted repository and into a plain one. */
export async function measureEncryption({ report, server, size, rounds, folder, note }) {
  const file = library.parseKeyFile(library.newKeyFile(new Date()), 'the bench')
  const into = (encrypt) => async () => {
    const place = join(folder, `repository-${randomUUID()}`)
    try {
      return await backup({ url: server.url, folder, store: await library.openStore(place), encrypt })
    } finally {
      await rm(place, { recursive: true, force: true })
    }
  }
  const seconds = await interleave({
    rounds,
    note,
    contestants: {
      encrypted: into({ label: 'bench', key: () => Promise.resolve(file) }),
      plain: into(undefined),
    },
  })
  report.add({
    name: `${size.label}: encrypted backup / plain`,
    unit: 'ratio',
    ...speedRatio(seconds.encrypted, seconds.plain),
    target: '≥ 0.9',
    detail: `${Math.round(size.records / spread(seconds.encrypted).median)} records/s`,
    samples: seconds,
  })
}
