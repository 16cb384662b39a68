// A copy-and-swap of `bench` in a process of its own:
//   node --import ./peak-memory.mjs migrate-process.mjs <url> <folder>
// Prints one JSON document: seconds to each phase, how long the name was missing, requests.
import { copyAndSwap } from '../dist/migrations/swap/copy-and-swap.js'
import { completeSwap } from '../dist/migrations/swap/complete-swap.js'
import { library, silent } from './library.mjs'

const [url, tempDir] = process.argv.slice(2)
const transport = await library.connectTransport({ url })
transport.useBatchRetries()
const phases = {}
const started = performance.now()
const seconds = () => (performance.now() - started) / 1000
const context = {
  api: new library.ChromaApi(transport),
  tenant: 'default_tenant',
  database: 'default_database',
  version: '00001',
  runId: 'bench',
  journal: {
    read: () => null,
    put: async (progress) => {
      phases[progress.get('phase')] ??= seconds()
    },
  },
  guard: { check: async () => {} },
  cache: { get: async (_model, texts) => texts.map(() => null), put: async () => {}, close: async () => {} },
  concurrency: 4,
  tempDir,
  openClient: async () => Promise.reject(new Error('no client here')),
  now: () => new Date(),
  progress: silent,
  signal: new AbortController().signal,
}
const map = {
  hash: String(Date.now()),
  space: 'cosine',
  newVectors: false,
  embedded: 0,
  map: async (batch) => batch,
}
try {
  const { gapMs, undo } = await copyAndSwap(
    { kind: 'copyAndSwap', collection: 'bench', map, options: {} },
    context,
  )
  const whole = seconds()
  await completeSwap(undo, context, { acceptDataLoss: true })
  console.log(JSON.stringify({ whole, phases, gapMs }))
} finally {
  await transport.close()
}
