import { readFile } from 'node:fs/promises'

import { asError, throwIfAborted } from '../../core/errors.js'
import type { MigrationDefinition } from '../definition.js'
import { bundleOf, type Bundle, type BundleOptions } from './checksum.js'
import { MigrationFileError, type FileProblem } from './file-problem.js'
import type { MigrationFile } from './list-files.js'
import { parseDefinition } from './parse-definition.js'
import { lineOf, nodesOf, parseProgram } from './syntax.js'

/** A migration, ready to be run. */
export interface LoadedMigration {
  /** Five digits. */
  readonly version: string
  readonly name: string
  /** Name of the file in the folder of the migrations. */
  readonly file: string
  /** `b1:<sha-256>` of the file and its local imports; see `bundleOf`. */
  readonly checksum: string
  readonly definition: MigrationDefinition
  /** The text of the file. */
  readonly source: string
  /** Absolute paths of the file and its local imports. */
  readonly bundle: readonly string[]
  /** Packages that it imports, `name@version`. Not part of the checksum. */
  readonly packages: readonly string[]
}

export interface LoadFileOptions extends BundleOptions {
  /** Milliseconds that the file may take until it has exported its definition. */
  readonly timeLimit: number
}

/** Reads, checks and runs one file. Rejects with a {@link MigrationFileError}. */
export async function loadFile(file: MigrationFile, options: LoadFileOptions): Promise<LoadedMigration> {
  const bundle = await bundleOf(file.path, options)
  const source = await readFile(file.path, 'utf8')
  const exported = await evaluate(file, source, bundle, options)
  throwIfAborted(options.signal)
  const { definition, faults } = parseDefinition(exported, file.name)
  if (definition === null) {
    const place = { file: options.shown(file.path), line: definitionLine(source, file.path) }
    throw new MigrationFileError(faults.map((fault) => ({ ...place, ...fault, code: 'DEFINITION' })))
  }
  const { version, name } = file
  const { checksum, files, packages } = bundle
  return { version, name, file: file.file, checksum, definition, source, bundle: files, packages }
}

async function evaluate(
  file: MigrationFile,
  source: string,
  bundle: Bundle,
  { loader, shown, timeLimit }: LoadFileOptions,
): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new MigrationFileError([endless(shown(file.path), timeLimit)])),
      timeLimit,
    )
  })
  try {
    return await Promise.race([loader.evaluate(file.path, source), late])
  } catch (error) {
    if (error instanceof MigrationFileError) throw error
    throw new MigrationFileError([thrown(file, bundle, error, shown)], error)
  } finally {
    clearTimeout(timer)
  }
}

function endless(file: string, timeLimit: number): FileProblem {
  const message = `has not finished loading after ${timeLimit / 1000} s`
  const hint = 'a file only defines the migration: whatever waits belongs into up()'
  return { file, line: null, code: 'ENDLESS', message, hint }
}

/** Where it was thrown: the topmost line of the stack that is in the migration or in what it imports. */
function thrown(
  file: MigrationFile,
  { files }: Bundle,
  error: unknown,
  shown: (file: string) => string,
): FileProblem {
  const { message, stack = '' } = asError(error)
  const [first = message] = message.split('\n', 1)
  const place = stack
    .split('\n')
    .flatMap((line) => files.map((path) => ({ path, line: lineIn(line, path) })))
    .find(({ line }) => line !== null)
  return {
    file: shown(place?.path ?? file.path),
    line: place?.line ?? null,
    code: 'THROWS',
    message: `throws when it is loaded: ${first}`,
    hint: null,
  }
}

/** The line that a stack frame `at f (/path/file.ts:12:3)` names for this path. */
function lineIn(frame: string, path: string): number | null {
  const at = frame.indexOf(`${path}:`)
  const line = at === -1 ? NaN : Number.parseInt(frame.slice(at + path.length + 1), 10)
  return Number.isNaN(line) ? null : line
}

/** Where the definition begins: the default export, else the first one. */
function definitionLine(source: string, path: string): number | null {
  const statements = nodesOf(parseProgram(source, path).program['body'])
  const own = statements.find(({ type }) => type === 'ExportDefaultDeclaration')
  const any = own ?? statements.find(({ type }) => type.startsWith('Export'))
  return any === undefined ? null : lineOf(any)
}
