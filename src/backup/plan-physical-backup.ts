import { findHolder, type Holder } from '../datadir/holder.js'
import { scanDirectory, type LeftOut } from '../datadir/snapshot-scan.js'
import { listBackups, readableHeads } from './list-backups.js'
import type { PhysicalBackupJob } from './physical-job.js'
import { countsAsLatest } from './resolve-backup.js'
import { checkSeries } from './series.js'

/** What a physical backup would read; nothing has been written. */
export interface PhysicalBackupPlan {
  readonly type: 'physical'
  readonly directory: string
  readonly series: string
  readonly files: number
  /** On the disk. */
  readonly bytes: number
  readonly leftOut: readonly LeftOut[]
  readonly holder: Holder
  /** The backup whose blocks would be used again. */
  readonly previous: { readonly id: string; readonly durationMs: number } | null
}

/** Opens no file of the directory. */
export async function planPhysicalBackup(job: PhysicalBackupJob): Promise<PhysicalBackupPlan> {
  checkSeries(job.series)
  const { repository, series, directory, signal } = job
  const heads = readableHeads(await listBackups(repository, { series, signal }))
  const parent = heads.find((head) => countsAsLatest(head) && head.type === 'physical')
  const { files, leftOut } = await scanDirectory(directory)
  return {
    type: 'physical',
    directory,
    series,
    files: files.length,
    bytes: files.reduce((sum, { size, allocated }) => sum + Math.min(size, allocated), 0),
    leftOut,
    holder: await findHolder(directory),
    previous: parent === undefined ? null : { id: parent.id, durationMs: parent.durationMs },
  }
}
