// Reads every object of the newest backup and compares it with its checksum; for a monitor. Exit code 13 when something
// is damaged, and the exit codes of the command line for everything else that was expected to go wrong.
//
//   node examples/verify-latest.mjs ./backups
import { openRepository, openStore, OpsError, resolveBackup, silentProgress, verifyBackup } from 'chroma-ops'

try {
  const store = await openStore(process.argv[2] ?? './backups')
  try {
    const repository = await openRepository({ store })
    const head = await resolveBackup(repository, 'latest')
    const report = await verifyBackup({ repository, head, progress: silentProgress })
    console.log(`${head.id} from ${head.finished}: ${report.status}, ${report.objects.bytes} bytes read`)
    for (const { key, message } of report.problems) console.log(`  ${key}: ${message}`)
    process.exitCode = report.exitCode
  } finally {
    await store.close()
  }
} catch (error) {
  if (!(error instanceof OpsError)) throw error
  console.error(error.hint === undefined ? error.message : `${error.message}\n${error.hint}`)
  process.exitCode = error.exitCode
}
