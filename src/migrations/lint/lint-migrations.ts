import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { bundleOf } from '../files/checksum.js'
import { MigrationFileError, type FileProblem } from '../files/file-problem.js'
import { listMigrationFiles, type MigrationFile } from '../files/list-files.js'
import { shownPath, type LoadOptions } from '../files/load-migrations.js'
import { createModuleLoader, type ModuleLoader } from '../files/module-loader.js'
import { normalForm } from '../files/normal-form.js'
import { parseProgram, type Program } from '../files/syntax.js'
import { baseRemarks, isChanged, readBase, type KnownBase } from './base-rules.js'
import { fileRemarks } from './file-rules.js'
import type { LintFinding, Remark } from './finding.js'
import type { LintBase } from './lint-base.js'
import { withoutDisabled } from './suppress.js'

export interface LintJob extends Pick<LoadOptions, 'dir' | 'root' | 'tsconfig' | 'signal'> {
  /** Only files that differ from these, and the rules on what was changed; null: all files. */
  readonly base: LintBase | null
}

export interface LintReport {
  /** How many files were looked at. */
  readonly files: number
  readonly findings: readonly LintFinding[]
}

/**
 * Looks for what is risky in migrations, in their text: nothing is run. Rejects with a
 * {@link MigrationFileError} when a file cannot be parsed.
 */
export async function lintMigrations(job: LintJob): Promise<LintReport> {
  const dir = path.resolve(job.dir)
  const shown = shownPath(job.root ?? path.dirname(dir))
  const { files } = await listMigrationFiles(dir, shown)
  const loader = await createModuleLoader({ dir, tsconfig: job.tsconfig })
  const base = job.base === null ? null : await readBase(job.base)
  const problems: FileProblem[] = []
  const findings: LintFinding[] = []
  let looked = 0
  for (const file of files) {
    try {
      const remarks = await remarksOn(file, { loader, shown, signal: job.signal, base, dir })
      if (remarks === null) continue
      looked++
      const located = remarks.map((remark) => ({ ...remark, file: shown(file.path), line: remark.line ?? 1 }))
      findings.push(...located.sort((a, b) => a.line - b.line || (a.rule < b.rule ? -1 : 1)))
    } catch (error) {
      if (!(error instanceof MigrationFileError)) throw error
      problems.push(...error.problems)
    }
  }
  if (problems.length > 0) throw new MigrationFileError(problems)
  return { files: looked, findings }
}

interface Setting {
  readonly loader: ModuleLoader
  readonly shown: (file: string) => string
  readonly signal: AbortSignal | undefined
  readonly base: KnownBase | null
  readonly dir: string
}

/** Null: the file is as the base has it. */
async function remarksOn(file: MigrationFile, setting: Setting): Promise<readonly Remark[] | null> {
  const { checksum, files } = await bundleOf(file.path, setting)
  const { base } = setting
  if (base !== null && !isChanged(base, files)) return null
  const source = await readFile(file.path, 'utf8')
  const program = parseProgram(source, file.path)
  return withoutDisabled(program, [
    ...fileRemarks(program),
    ...importRemarks(program, file, setting),
    ...(base === null ? [] : await baseRemarks(file, { checksum, source }, base)),
  ])
}

/** Imports from outside of the folder: what they do will change, and with it what an old migration does. */
function importRemarks(
  program: Program,
  file: MigrationFile,
  { loader, shown, dir }: Setting,
): readonly Remark[] {
  const remarks: Remark[] = []
  normalForm(program, file.file, ({ specifier, line }) => {
    const resolved = loader.resolve(specifier, file.path)
    if (resolved.kind === 'local' && path.relative(dir, resolved.path).startsWith('..')) {
      const message = `imports ${shown(resolved.path)}, which will change: copy what is needed beside the migration`
      remarks.push({ rule: 'CM013', severity: 'warning', line, message })
    }
    return specifier
  })
  return remarks
}
