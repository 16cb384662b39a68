import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { asError, isErrno, throwIfAborted } from '../../core/errors.js'
import { MigrationFileError, type FileProblem } from './file-problem.js'
import type { ModuleLoader } from './module-loader.js'
import { normalForm, type ImportedName } from './normal-form.js'
import { packageAt } from './package-version.js'
import { parseProgram, SourceSyntaxError, withoutMark } from './syntax.js'

/** What a migration consists of. */
export interface Bundle {
  /** `b1:` and the SHA-256, in hex, of the normal form of the file and of its local imports. */
  readonly checksum: string
  /** Absolute paths: the file itself, then what it imports of the project, however far away. */
  readonly files: readonly string[]
  /** Of packages that it imports: `name@version`. They are not part of the checksum. */
  readonly packages: readonly string[]
}

/** Names the way in which the checksum is made; another way gets another tag, so that both can be told apart. */
const TAG = 'b1'

const PROGRAM = /\.[cm]?[jt]sx?$/

export interface BundleOptions {
  readonly loader: ModuleLoader
  readonly shown: (file: string) => string
  readonly signal?: AbortSignal | undefined
}

/**
 * The checksum of a migration. Comments, formatting, line ends, a byte order mark and types make no difference;
 * neither do the names of the file and of the files that it imports. Whatever else is changed in one of them
 * does. Rejects with a {@link MigrationFileError} for what cannot be parsed or found.
 */
export async function bundleOf(entry: string, options: BundleOptions): Promise<Bundle> {
  const files = [entry]
  const packages = new Set<string>()
  const hash = createHash('sha256').update(TAG)
  for (const file of files) {
    throwIfAborted(options.signal)
    const text = await readLocal(file, options.shown)
    const imports: { readonly specifier: string; readonly path: string }[] = []
    const form = formOf(file, text, options, (imported) => {
      const resolved = options.loader.resolve(imported.specifier, file)
      if (resolved.kind === 'missing') return missing(imported, file, options.shown)
      if (resolved.kind === 'package') {
        if (resolved.path !== null) imports.push({ specifier: imported.specifier, path: resolved.path })
        return imported.specifier
      }
      if (!files.includes(resolved.path)) files.push(resolved.path)
      return `#${files.indexOf(resolved.path)}`
    })
    for (const imported of imports) packages.add(await packageAt(imported.specifier, imported.path))
    hash.update(`\n${Buffer.byteLength(form)}:${form}`)
  }
  return { checksum: `${TAG}:${hash.digest('hex')}`, files, packages: [...packages].sort() }
}

function formOf(
  file: string,
  text: string,
  { shown }: BundleOptions,
  nameOf: (imported: ImportedName) => string,
): string {
  const fail = (line: number | null, message: string, cause: unknown): never => {
    throw new MigrationFileError([{ file: shown(file), line, code: 'SYNTAX', message, hint: null }], cause)
  }
  if (path.extname(file) === '.json') {
    try {
      return JSON.stringify(JSON.parse(withoutMark(text)))
    } catch (error) {
      return fail(null, `is not JSON: ${asError(error).message}`, error)
    }
  }
  if (!PROGRAM.test(file)) return text
  try {
    return normalForm(parseProgram(text, file), file, nameOf)
  } catch (error) {
    if (error instanceof SourceSyntaxError) return fail(error.line, error.message, error)
    throw error
  }
}

/** Latin-1 for what is no text: every byte is a character. */
async function readLocal(file: string, shown: (file: string) => string): Promise<string> {
  try {
    const isText = PROGRAM.test(file) || file.endsWith('.json')
    return await readFile(file, isText ? 'utf8' : 'latin1')
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EISDIR', 'EACCES')) throw error
    const { message } = asError(error)
    const problem: FileProblem = { file: shown(file), line: null, code: 'IMPORT', message, hint: null }
    throw new MigrationFileError([problem], error)
  }
}

/** An import that may fail at run time, such as one within `try`, is told apart by its name only. */
function missing(
  { specifier, line, required }: ImportedName,
  from: string,
  shown: (file: string) => string,
): string {
  if (!required) return specifier
  const message = `cannot find ${specifier}`
  throw new MigrationFileError([{ file: shown(from), line, code: 'IMPORT', message, hint: null }])
}
