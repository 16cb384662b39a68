import { rename } from 'node:fs/promises'
import path from 'node:path'

import { UsageError } from '../../core/errors.js'
import { suggestion } from '../../core/suggest.js'
import { LAST_VERSION, versionText } from './file-name.js'
import { listMigrationFiles, type MigrationFile } from './list-files.js'
import { shownPath } from './load-migrations.js'
import { updateSum } from './update-sum.js'

export interface RenumberJob {
  readonly dir: string
  /** A file's name, with or without folder and extension. */
  readonly file: string
  readonly root?: string | undefined
}

export interface Renumbered {
  readonly from: string
  readonly to: string
  readonly version: string
}

/**
 * Moves a migration that nobody else has yet to the end of the sequence, and writes `chroma-ops.sum` anew.
 * Refuses to leave a gap: then the file is one that others build on.
 */
export async function renumberMigration(job: RenumberJob): Promise<Renumbered> {
  const dir = path.resolve(job.dir)
  const shown = shownPath(job.root ?? path.dirname(dir))
  const { files } = await listMigrationFiles(dir, shown)
  const file = chosen(files, job.file)
  const others = files.filter((other) => other !== file)
  const last = Number(others.at(-1)?.version ?? 0)
  if (last + 1 === Number(file.version)) {
    throw new UsageError(`${file.file} is at the end already`)
  }
  if (Number(file.version) < last && !others.some(({ version }) => version === file.version)) {
    throw new UsageError(`without ${file.file} the number ${file.version} would be missing`, {
      hint: 'only a migration that shares its number with another one, or follows a gap, can be moved',
    })
  }
  if (last >= LAST_VERSION) throw new UsageError(`no number is left after ${versionText(last)}`)
  const version = versionText(last + 1)
  const renamed = (name: string) => `${version}${name.slice(version.length)}`
  for (const name of [file.file, ...file.compiled]) {
    await rename(path.join(dir, name), path.join(dir, renamed(name)))
  }
  await updateSum({ dir, root: job.root })
  return { from: shown(file.path), to: shown(path.join(dir, renamed(file.file))), version }
}

function chosen(files: readonly MigrationFile[], word: string): MigrationFile {
  const wanted = path.basename(word)
  const found = files.filter(
    ({ file, version, extension }) =>
      file === wanted || version === wanted || file.slice(0, -extension.length) === wanted,
  )
  const [file] = found
  if (file !== undefined && found.length === 1) return file
  const names = (file === undefined ? files : found).map((candidate) => candidate.file)
  if (names.length === 0) throw new UsageError('there are no migrations')
  throw new UsageError(
    file === undefined ? `there is no migration ${wanted}` : `${wanted} is the number of several migrations`,
    { hint: file === undefined ? suggestion(wanted, names) : `name one of them: ${names.join(', ')}` },
  )
}
