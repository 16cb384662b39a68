// Changes a repository on disk in a process of its own, for tests that kill or stop it:
//   node --import ./test/helpers/run-typescript.js prune-process.ts <repository> prune|stop <lease time to live>
//   node --import ./test/helpers/run-typescript.js prune-process.ts <repository> backup <how many>
// Writes "begin", what becomes of each piece of work, and with `stop` "stopped" before it stops itself in the midst of
// deleting.
import { writeSync } from 'node:fs'

import { createBackup } from '../../src/backup/create-backup.js'
import { applyPrune } from '../../src/backup/prune-repository.js'
import { openRepository } from '../../src/backup/repository.js'
import { OpsError } from '../../src/core/errors.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { nightlyJob } from './nights.js'
import { pruneJob } from './prunes.js'

const [directory = '', what = '', number = ''] = process.argv.slice(2)

const repository = await openRepository({ store: new LocalStore(directory) })
const now = () => new Date()
say('begin')
if (what === 'backup') for (let night = 0; night < Number(number); night++) await report(backUp(night))
else await report(applyPrune(pruneJob(repository, now, { last: 1 }, unlimited())))

async function backUp(night: number): Promise<unknown> {
  // Every other one has the records of all others, every other one its own.
  return createBackup(nightlyJob(repository, night % 2 === 0 ? 'same' : `${process.pid}-${night}`, now))
}

function unlimited() {
  let isStopped = what !== 'stop'
  const update = () => {
    if (isStopped) return
    isStopped = true
    say('stopped')
    process.kill(process.pid, 'SIGSTOP')
  }
  return { graceMs: 0, purgeNow: true, leaseTtlMs: Number(number), progress: { update, warn: () => {} } }
}

async function report(work: Promise<unknown>): Promise<void> {
  try {
    await work
    say('done')
  } catch (error) {
    if (!(error instanceof OpsError)) throw error
    say(error.code)
  }
}

/** At once, also when the process is stopped next. */
function say(text: string): void {
  writeSync(1, `${text}\n`)
}
