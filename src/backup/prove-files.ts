import { mkdir, rm, symlink } from 'node:fs/promises'
import path from 'node:path'

import type { Snapshot } from '../datadir/snapshot.js'
import { proveDirectory, type SnapshotProof } from '../datadir/snapshot-proof.js'
import type { FileTable } from './file-table.js'
import { ObjectReader } from './object-reader.js'
import type { PhysicalBackupJob } from './physical-job.js'
import { writeSomeFiles } from './write-files.js'

const ROUNDS = 5

/**
 * Proves what was stored, without a second copy of it: a folder of links shows the files of the snapshot where
 * they are. Those that a server changes meanwhile are taken back from the repository.
 */
export async function proveFiles(proof: {
  readonly job: PhysicalBackupJob
  readonly id: string
  readonly snapshot: Snapshot
  /** When everything is stored. */
  readonly table: () => Promise<FileTable>
  readonly folder: string
}): Promise<SnapshotProof> {
  const { job, snapshot, folder } = proof
  const { signal, progress } = job
  await mkdir(folder)
  for (const { path: name } of snapshot.folders) await mkdir(path.join(folder, name))
  for (const { path: name, source } of snapshot.files) await symlink(source, path.join(folder, name))
  const objects = new ObjectReader({ repository: job.repository, backup: proof.id, progress })
  const restored = new Set<string>()
  for (let round = 1; ; round++) {
    // Whole folders, so that the files of an index belong together; in the end all of them.
    const changed = round < ROUNDS ? await snapshot.changed() : snapshot.files.map(({ path: name }) => name)
    if (changed.length > 0) {
      const folders = new Set(changed.map((name) => path.dirname(name)))
      const table = await proof.table()
      const files = table.files.filter(
        ({ path: name }) => folders.has(path.dirname(name)) && !restored.has(name),
      )
      for (const file of files) {
        await rm(path.join(folder, file.path), { force: true })
        restored.add(file.path)
      }
      await writeSomeFiles({ objects, table, files, folder, signal })
    }
    const found = await proveDirectory({ directory: folder, tempDir: folder, signal })
    const late = (await snapshot.changed()).filter((name) => !restored.has(name))
    if (late.length === 0) return found
  }
}
