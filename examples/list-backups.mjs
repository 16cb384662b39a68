// The backups of a repository, newest first.
//
//   node examples/list-backups.mjs ./backups
import { listBackups, openRepository, openStore } from 'chroma-ops'

const store = await openStore(process.argv[2] ?? './backups')
try {
  const repository = await openRepository({ store })
  for (const { id, head, damaged } of await listBackups(repository)) {
    if (head === null) console.log(`${id}  damaged: ${damaged.message}`)
    else console.log(`${id}  ${head.status}  ${head.counts.records} records, ${head.sizes.stored} bytes`)
  }
} finally {
  await store.close()
}
