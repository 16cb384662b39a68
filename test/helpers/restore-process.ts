// A restore in a process of its own, for tests that kill it:
//   node --import ./test/helpers/run-typescript.js restore-process.ts <url> <repository> <backup> <database> <mode> [state]
// Writes "begin" when the restore begins and "end" when it is done.
import { restoreBackup } from '../../src/backup/restore-backup.js'
import { openRepository } from '../../src/backup/repository.js'
import { resolveBackup } from '../../src/backup/resolve-backup.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { restoreJob, withApi } from './restores.js'

const [url = '', directory = '', id = '', database = '', mode = '', stateDir] = process.argv.slice(2)

const repository = await openRepository({ store: new LocalStore(directory) })
const head = await resolveBackup(repository, id, {})
await withApi(url, async (api) => {
  process.stdout.write('begin\n')
  await restoreBackup(
    restoreJob({ repository, head }, api, {
      targetDatabase: database,
      mode: mode === 'replace' ? 'replace' : 'create',
      ...(stateDir !== undefined && { stateDir }),
    }),
  )
  process.stdout.write('end\n')
})
