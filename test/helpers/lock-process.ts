// Works under the lock of migrations in a process of its own, for tests that kill or stop it:
//   node --import ./test/helpers/run-typescript.js lock-process.ts <url> once|write <ttl in ms> <name>
// `once`: what only one of many may do. `write`: adds a record as often as it can, until it is told that the lock is
// lost. Writes "held" when it has the lock, and then what became of it.
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { OpsError } from '../../src/core/errors.js'
import type { RecordBatch } from '../../src/core/records.js'
import { acquireLock } from '../../src/migrations/state/acquire-lock.js'
import type { MigrationLock } from '../../src/migrations/state/lock.js'
import { openState } from '../../src/migrations/state/state-writer.js'
import { readState } from '../../src/migrations/state/state-store.js'
import { migrationRow } from './migration-rows.js'

const [url = '', what = '', ttl = '', name = ''] = process.argv.slice(2)

const home = { tenant: 'default_tenant', database: 'default_database' }
const api = new ChromaApi(await connectTransport({ url }))
const job = { api, ...home, owner: name, runId: name, waitMs: Infinity, ttlMs: Number(ttl) }
const target = await api.getCollection({ ...home, name: 'target' })
// Only silence counts here, not that this machine sees its processes die.
const lock = await acquireLock({ ...job, looksForDeadProcesses: false })
say(`held ${lock.fenced.map(({ runId }) => runId).join(' ')}`.trim())
try {
  await (what === 'once' ? once(lock) : write(lock))
} catch (error) {
  if (!(error instanceof OpsError)) throw error
  say(`${error.code} ${error.exitCode}`)
}
await lock.release()
await api.transport.close()

/** A migration: its state is read again under the lock, so that it is done once. */
async function once(guard: MigrationLock): Promise<void> {
  const known = await readState({ api, ...home })
  if (known.rows.some(({ status }) => status === 'applied')) {
    say('was done')
    return
  }
  const state = await openState({ api, ...home }, guard)
  await guard.check()
  await api.add(target, record(`body of ${name}`))
  await state.putRow(migrationRow({ version: '00001', status: 'applied', runId: name, lockId: guard.id }))
  say('done')
}

async function write(guard: MigrationLock): Promise<void> {
  for (let number = 0; ; number++) {
    await guard.check()
    await api.add(target, record(`${name} ${number}`))
    if (number === 0) say('writing')
    await pause(20)
  }
}

function record(id: string): RecordBatch {
  return {
    ids: [id],
    dimension: 1,
    embeddings: new Float32Array([1]),
    missingEmbeddings: [],
    documents: [null],
    uris: [null],
    metadatas: [null],
  }
}

/** At once, also when the process is stopped next. */
function say(text: string): void {
  writeSync(1, `${text}\n`)
}
