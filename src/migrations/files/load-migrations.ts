import path from 'node:path'

import { createModuleLoader } from './module-loader.js'
import { MigrationFileError, type FileProblem } from './file-problem.js'
import { listMigrationFiles, type MigrationFile } from './list-files.js'
import { loadFile, type LoadedMigration } from './load-file.js'

export interface LoadOptions {
  /** The folder of the migrations. */
  readonly dir: string
  /** Paths in messages are relative to it; default: the folder above `dir`. */
  readonly root?: string | undefined
  /** A tsconfig whose `paths` hold in the files; default: the nearest one, if there is one; null: none. */
  readonly tsconfig?: string | null | undefined
  /** Milliseconds that one file may take to load; default 60,000. */
  readonly timeLimit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface InspectedMigrations {
  readonly files: readonly MigrationFile[]
  /** Those that can be run, in the order of their versions. */
  readonly migrations: readonly LoadedMigration[]
  readonly problems: readonly FileProblem[]
}

const TIME_LIMIT = 60_000

/**
 * All migrations of a folder, in the order of their versions. Rejects with a {@link MigrationFileError} that
 * tells everything that is wrong with names, numbers and files.
 */
export async function loadMigrations(options: LoadOptions): Promise<readonly LoadedMigration[]> {
  const { migrations, problems } = await inspectMigrations(options)
  if (problems.length > 0) throw new MigrationFileError(problems)
  return migrations
}

/** The same, with what is wrong beside what can be loaded. */
export async function inspectMigrations(options: LoadOptions): Promise<InspectedMigrations> {
  const dir = path.resolve(options.dir)
  const shown = shownPath(options.root ?? path.dirname(dir))
  const { files, problems } = await listMigrationFiles(dir, shown)
  const loader = await createModuleLoader({ dir, tsconfig: options.tsconfig })
  const { signal, timeLimit = TIME_LIMIT } = options
  const found = [...problems]
  const migrations: LoadedMigration[] = []
  for (const file of files) {
    try {
      migrations.push(await loadFile(file, { loader, shown, signal, timeLimit }))
    } catch (error) {
      if (!(error instanceof MigrationFileError)) throw error
      found.push(...error.problems)
    }
  }
  found.push(...migrations.flatMap((migration) => dependencyProblems(migration, files, dir, shown)))
  return { files, migrations, problems: found }
}

/** How people are told a path: relative to `root` when it is below it. */
export function shownPath(root: string): (file: string) => string {
  return (file) => {
    const relative = path.relative(root, file)
    return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative
  }
}

function dependencyProblems(
  { file, version, definition }: LoadedMigration,
  files: readonly MigrationFile[],
  dir: string,
  shown: (file: string) => string,
): FileProblem[] {
  return (definition.dependsOn ?? []).flatMap((needed): FileProblem[] => {
    const isThere = files.some((other) => other.version === needed)
    if (isThere && needed < version) return []
    const message = isThere
      ? `depends on ${needed}, which comes after it`
      : `depends on ${needed}, which is not there`
    return [{ file: shown(path.join(dir, file)), line: null, code: 'DEPENDS_ON', message, hint: null }]
  })
}
