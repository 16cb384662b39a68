import { readdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, OpsError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import type { FileProblem } from './file-problem.js'
import { EXTENSIONS, looksLikeMigration, parseFileName, versionText } from './file-name.js'
import type { MigrationFileName } from './file-name.js'

export interface MigrationFile extends MigrationFileName {
  /** Name of the file in its folder. */
  readonly file: string
  readonly path: string
  /** Compiled files of the same name, which are left aside. */
  readonly compiled: readonly string[]
}

export interface MigrationFolder {
  readonly dir: string
  /** In the order of their versions. */
  readonly files: readonly MigrationFile[]
  readonly problems: readonly FileProblem[]
}

/** The folder of the migrations is not there. */
export class MigrationFolderNotFoundError extends OpsError {
  override readonly code = 'MIGRATIONS_NOT_FOUND'
  override readonly exitCode = ExitCode.usage
}

/** `shown` turns an absolute path into the one that people are told. */
export async function listMigrationFiles(
  dir: string,
  shown: (file: string) => string,
): Promise<MigrationFolder> {
  const names = await namesIn(dir, shown)
  const groups = new Map<string, MigrationFile[]>()
  const problems: FileProblem[] = []
  for (const file of names.filter(looksLikeMigration)) {
    const parsed = parseFileName(file)
    if (parsed === null) problems.push(badName(shown(path.join(dir, file)), file))
    else {
      const entry = { ...parsed, file, path: path.join(dir, file), compiled: [] }
      const stem = `${parsed.version}_${parsed.name}`
      groups.set(stem, [...(groups.get(stem) ?? []), entry])
    }
  }
  const files = [...groups.values()].flatMap(withoutCompiled).sort(byVersion)
  return { dir, files, problems: [...problems, ...sequenceProblems(files, shown)] }
}

async function namesIn(dir: string, shown: (file: string) => string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    throw new MigrationFolderNotFoundError(`there is no folder ${shown(dir)}`, {
      hint: 'name it with --dir, or make the first migration with `chroma-ops migrate create <name>`',
      cause: error,
    })
  }
}

function withoutCompiled(group: readonly MigrationFile[]): readonly MigrationFile[] {
  const rank = ({ extension }: MigrationFile) => EXTENSIONS.indexOf(extension)
  const [first, ...rest] = group.toSorted((a, b) => rank(a) - rank(b))
  if (first === undefined) return []
  const isSource = first.extension === '.ts' || first.extension === '.mts'
  const isCompiled = ({ extension }: MigrationFile) => isSource && !extension.endsWith('ts')
  return [
    { ...first, compiled: rest.filter(isCompiled).map(({ file }) => file) },
    ...rest.filter((file) => !isCompiled(file)),
  ]
}

function byVersion(a: MigrationFile, b: MigrationFile): number {
  if (a.version !== b.version) return a.version < b.version ? -1 : 1
  return a.file < b.file ? -1 : 1
}

function badName(shownFile: string, file: string): FileProblem {
  return {
    file: shownFile,
    line: null,
    code: 'BAD_NAME',
    message: 'the name is not of the form 00007_name.ts: five digits, an underscore, letters and digits',
    hint: `rename ${file}, or move it out of the folder if it is not a migration`,
  }
}

function sequenceProblems(
  files: readonly MigrationFile[],
  shown: (file: string) => string,
): readonly FileProblem[] {
  return files.flatMap((file, index): FileProblem[] => {
    const before = files[index - 1]
    const previous = Number(before?.version ?? 0)
    const own = Number(file.version)
    if (own === previous + 1) return []
    const place = { file: shown(file.path), line: null }
    if (before !== undefined && own === previous) {
      const message = `the version ${file.version} is also that of ${shown(before.path)}`
      const hint = `move the one that is not merged yet to the end: chroma-ops migrate renumber ${file.file}`
      return [{ ...place, code: 'DUPLICATE', message, hint }]
    }
    if (own === 0) return [{ ...place, code: 'BAD_NAME', message: 'versions start at 00001', hint: null }]
    const last = own - 1 === previous + 1 ? '' : ` to ${versionText(own - 1)}`
    const after = before === undefined ? '' : `, after ${shown(before.path)}`
    const message = `${versionText(previous + 1)}${last} is missing before it${after}`
    const hint = 'bring the missing file back, or give this one the next free number'
    return [{ ...place, code: 'GAP', message, hint }]
  })
}
