import path from 'node:path'

import { bundleOf } from './checksum.js'
import { MigrationFileError, type FileProblem } from './file-problem.js'
import { listMigrationFiles } from './list-files.js'
import { shownPath, type LoadOptions } from './load-migrations.js'
import { createModuleLoader } from './module-loader.js'
import { writeSum, type SumLine } from './sum-file.js'

/** Writes `chroma-ops.sum` anew, from the files as they are. Runs none of them. */
export async function updateSum(options: LoadOptions): Promise<void> {
  const dir = path.resolve(options.dir)
  const shown = shownPath(options.root ?? path.dirname(dir))
  const { files, problems } = await listMigrationFiles(dir, shown)
  const loader = await createModuleLoader({ dir, tsconfig: options.tsconfig })
  const found: FileProblem[] = [...problems]
  const lines: SumLine[] = []
  for (const { version, name, path: file } of files) {
    try {
      const { checksum } = await bundleOf(file, { loader, shown, signal: options.signal })
      lines.push({ version, name, checksum })
    } catch (error) {
      if (!(error instanceof MigrationFileError)) throw error
      found.push(...error.problems)
    }
  }
  if (found.length > 0) throw new MigrationFileError(found)
  await writeSum(dir, lines)
}
