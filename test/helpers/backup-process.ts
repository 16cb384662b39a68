// Makes a backup in a process of its own, for tests that kill it:
//   node --import ./test/helpers/run-typescript.js backup-process.ts <repository> <bytes each second>
import { createBackup } from '../../src/backup/create-backup.js'
import { openRepository } from '../../src/backup/repository.js'
import { openStore } from '../../src/storage/open-store.js'
import { jobOf } from './backups.js'
import { sizeableSource } from './sizeable-source.js'

const [directory = '', rate = ''] = process.argv.slice(2)

const repository = await openRepository({ store: await openStore(directory, { limitUpload: Number(rate) }) })
await createBackup(jobOf(repository, sizeableSource(), { now: () => new Date() }))
