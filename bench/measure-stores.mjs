import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { library } from './library.mjs'
import { backup } from './measure-read.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

/** The same backup to S3 on loopback and to local disk. */
export async function measureStores({ report, server, size, rounds, folder, endpoint, note }) {
  const s3 =
    endpoint === undefined ? await ownServer() : { options: { endpointUrl: endpoint }, stop: () => {} }
  try {
    const seconds = await interleave({
      rounds,
      note,
      contestants: {
        s3: async () => {
          const store = await library.openStore(`s3://bench/${randomUUID()}`, { s3: s3.options })
          try {
            return await backup({ url: server.url, folder, store })
          } finally {
            await store.close()
          }
        },
        local: () => backup({ url: server.url, folder }),
      },
    })
    report.add({
      name: `${size.label}: backup to S3 on loopback / to local disk`,
      unit: 'ratio',
      ...speedRatio(seconds.s3, seconds.local),
      target: '≥ 0.85',
      detail: `${Math.round(size.records / spread(seconds.s3).median)} records/s, ${endpoint ?? 'the S3 server of the tests'}`,
      samples: seconds,
    })
  } finally {
    s3.stop()
  }
}

/** The strict S3 server of the tests; it checks every signature in JavaScript and shares the machine's cores. */
async function ownServer() {
  const loader = new URL('../test/helpers/run-typescript.js', import.meta.url).href
  const program = fileURLToPath(new URL('./s3-server.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', loader, program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  const { endpointUrl, accessKeyId, secretAccessKey } = JSON.parse(String(line))
  return {
    options: { endpointUrl, credentials: { accessKeyId, secretAccessKey } },
    stop: () => child.stdin.end(),
  }
}
