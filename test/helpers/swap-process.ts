// A copy-and-swap of `docs` in a process of its own, which kills itself (SIGKILL) before or after a request:
//   node --import ./test/helpers/run-typescript.js swap-process.ts <url> <journal> <temp> <request> before|after
import { renameSync, writeFileSync } from 'node:fs'

import { ChromaApi } from '../../src/chroma/api.js'
import { copyAndSwap } from '../../src/migrations/swap/copy-and-swap.js'
import { DyingTransport } from './dying-transport.js'
import {
  connect,
  MemoryJournal,
  stepContext,
  swapStep,
  TextVectors,
  trialMap,
  trialOptions,
} from './swaps.js'

const [url = '', file = '', tempDir = '', at = '', when = ''] = process.argv.slice(2)

const api = await connect(url)
const transport = new DyingTransport(api.transport, {
  at: Number(at),
  when: when === 'after' ? 'after' : 'before',
  die: async () => {
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  },
})
const journal = new MemoryJournal()
journal.onPut = (text) => {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
await copyAndSwap(
  swapStep('docs', trialMap(new TextVectors(4)), trialOptions),
  stepContext(new ChromaApi(transport), tempDir, { journal }),
)
await api.transport.close()
