import path from 'node:path'

import type { FileProblem } from './file-problem.js'
import { inspectMigrations, shownPath, type LoadOptions } from './load-migrations.js'
import { readSum, SUM_FILE, sumProblems } from './sum-file.js'

export interface ValidationReport {
  /** Of files that are as they must be. */
  readonly migrations: readonly {
    readonly version: string
    readonly name: string
    readonly file: string
    readonly checksum: string
    readonly description: string
    readonly packages: readonly string[]
  }[]
  readonly problems: readonly FileProblem[]
}

/** Everything that can be said about the files without a server: names, numbers, definitions, checksums. */
export async function validateMigrations(options: LoadOptions): Promise<ValidationReport> {
  const dir = path.resolve(options.dir)
  const shown = shownPath(options.root ?? path.dirname(dir))
  const { files, migrations, problems } = await inspectMigrations(options)
  const sumFile = shown(path.join(dir, SUM_FILE))
  const sum = await readSum(dir, sumFile)
  const present = files.map(({ version, name, file, path: full }) => ({
    version,
    name,
    file: shown(full),
    checksum: migrations.find((migration) => migration.file === file)?.checksum ?? null,
  }))
  const inSum = sum === null ? missingSum(sumFile, files.length) : sumProblems(present, sum, sumFile)
  return {
    migrations: migrations.map(({ version, name, file, checksum, definition, packages }) => ({
      ...{ version, name, file: shown(path.join(dir, file)), checksum, packages },
      description: definition.description,
    })),
    problems: [...problems, ...inSum].toSorted(byPlace),
  }
}

function missingSum(file: string, count: number): readonly FileProblem[] {
  const hint = 'write it and commit it: chroma-ops migrate validate --update-sum'
  return count === 0 ? [] : [{ file, line: null, code: 'SUM', message: 'is missing', hint }]
}

function byPlace(a: FileProblem, b: FileProblem): number {
  return a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1
}
