import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, UsageError } from '../../core/errors.js'
import { suggestion } from '../../core/suggest.js'
import { bundleOf } from './checksum.js'
import { LAST_VERSION, nameFrom, versionText } from './file-name.js'
import { MigrationFileError } from './file-problem.js'
import { listMigrationFiles, MigrationFolderNotFoundError, type MigrationFile } from './list-files.js'
import { shownPath } from './load-migrations.js'
import { createModuleLoader } from './module-loader.js'
import { readSum, SUM_FILE, writeSum } from './sum-file.js'
import { templates, type Language } from './templates.js'
import { updateSum } from './update-sum.js'

export interface CreateMigrationJob {
  readonly dir: string
  /** What it is about; becomes a part of the file's name and the description. */
  readonly title: string
  /** One of the names of `templates`; default `blank`. */
  readonly template?: string | undefined
  readonly language: Language
  readonly root?: string | undefined
}

export interface CreatedMigration {
  readonly version: string
  readonly name: string
  /** As people are told it. */
  readonly file: string
}

/** Writes a new migration with the next free number, and its line in `chroma-ops.sum`. */
export async function createMigration(job: CreateMigrationJob): Promise<CreatedMigration> {
  const { title, language } = job
  const dir = path.resolve(job.dir)
  const shown = shownPath(job.root ?? path.dirname(dir))
  const name = nameFrom(title)
  if (name === null) {
    throw new UsageError(`"${title}" cannot be a part of a file name`, {
      hint: 'letters from a to z, digits and underscores: docs_cosine',
    })
  }
  const text = templateNamed(job.template ?? 'blank').text(title.trim().replaceAll(/\s+/g, ' '), language)
  const files = await filesIn(dir, shown)
  const last = Number(files.at(-1)?.version ?? 0)
  if (last >= LAST_VERSION) throw new UsageError(`no number is left after ${versionText(last)}`)
  const version = versionText(last + 1)
  const file = path.join(dir, `${version}_${name}.${language}`)
  await mkdir(dir, { recursive: true })
  await writeNew(file, text, shown)
  await appendToSum(dir, { version, name, file }, files, shown)
  return { version, name, file: shown(file) }
}

function templateNamed(name: string) {
  const found = templates.find((template) => template.name === name)
  if (found !== undefined) return found
  const known = templates.map((template) => template.name)
  throw new UsageError(`there is no template ${name}`, { hint: suggestion(name, known) })
}

/** A new number after files that are not in order would make it worse. */
async function filesIn(dir: string, shown: (file: string) => string): Promise<readonly MigrationFile[]> {
  try {
    const { files, problems } = await listMigrationFiles(dir, shown)
    if (problems.length > 0) throw new MigrationFileError(problems)
    return files
  } catch (error) {
    if (error instanceof MigrationFolderNotFoundError) return []
    throw error
  }
}

async function writeNew(file: string, text: string, shown: (file: string) => string): Promise<void> {
  try {
    const handle = await open(file, 'wx')
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
    throw new UsageError(`${shown(file)} is there already`, { hint: 'run it again', cause: error })
  }
}

/** Lines of other files stay as they are: whether they are right is for `validate` to say. */
async function appendToSum(
  dir: string,
  { version, name, file }: CreatedMigration,
  before: readonly MigrationFile[],
  shown: (file: string) => string,
): Promise<void> {
  const sum = await readSum(dir, shown(path.join(dir, SUM_FILE)))
  if (sum === null && before.length > 0) return updateSum({ dir })
  if (sum !== null && sum.problems.length > 0) throw new MigrationFileError(sum.problems)
  const loader = await createModuleLoader({ dir })
  const { checksum } = await bundleOf(file, { loader, shown })
  await writeSum(dir, [...(sum?.lines ?? []), { version, name, checksum }])
}
