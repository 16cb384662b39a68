import path from 'node:path'
import { isBuiltin } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { createJiti, type Jiti } from 'jiti'

import { asError } from '../../core/errors.js'
import { MigrationFileError } from './file-problem.js'
import { withoutMark } from './syntax.js'

/** Where an import leads. */
export type Resolved =
  | { readonly kind: 'local'; readonly path: string }
  /** Null: it is not installed, or part of Node or of chroma-ops. */
  | { readonly kind: 'package'; readonly path: string | null }
  | { readonly kind: 'missing' }

export interface ModuleLoader {
  resolve(specifier: string, from: string): Resolved
  /** Runs the file and gives its exports. */
  evaluate(file: string, source: string): Promise<unknown>
}

export interface ModuleLoaderOptions {
  readonly dir: string
  /** A tsconfig whose `paths` hold; undefined: the nearest one, if there is one; null: none. */
  readonly tsconfig?: string | null | undefined
}

const OWN_NAME = 'chroma-ops'

type OwnModules = Record<string, unknown>

/** Runs TypeScript and JavaScript of either module system, without a build. */
export async function createModuleLoader(options: ModuleLoaderOptions): Promise<ModuleLoader> {
  const own = await ownModules()
  const plain = jitiFor(options.dir, own, false)
  const jiti = withPaths(options, own) ?? plain
  return {
    resolve: (specifier, from) => resolve(jiti, plain, specifier, from),
    evaluate: async (file, source) =>
      // `forceTranspile`: natively, `chroma-ops` would be looked for beside the file, and a file that throws
      // would be run a second time.
      jiti.evalModule(withoutMark(source), {
        id: file,
        filename: file,
        ext: path.extname(file),
        async: true,
        forceTranspile: true,
        cache: {},
      }),
  }
}

/** What a migration imports of us, by the names that it uses, whichever way we were installed. */
async function ownModules(): Promise<OwnModules> {
  // Late: our own public surface is larger than what listing files needs.
  const index: unknown = await import('../../index.js')
  const migrate: unknown = await import('../../migrate.js')
  return { [OWN_NAME]: index, [`${OWN_NAME}/migrate`]: migrate }
}

function jitiFor(dir: string, own: OwnModules, tsconfigPaths: string | boolean): Jiti {
  // Everything is said here, because jiti reads what is not from the environment.
  return createJiti(path.join(dir, '_migrations.js'), {
    fsCache: false,
    rebuildFsCache: false,
    moduleCache: false,
    interopDefault: true,
    tryNative: false,
    sourceMaps: false,
    debug: false,
    jsx: false,
    alias: {},
    nativeModules: [],
    transformModules: [],
    extensions: ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'],
    virtualModules: own,
    tsconfigPaths,
  })
}

function withPaths({ dir, tsconfig }: ModuleLoaderOptions, own: OwnModules): Jiti | null {
  if (tsconfig === null) return null
  try {
    return jitiFor(dir, own, tsconfig ?? true)
  } catch (error) {
    // A tsconfig that nobody named may extend a package that is not installed where migrations are run. If
    // its paths are needed, an import will not be found, and that is told.
    if (tsconfig === undefined) return null
    const { message } = asError(error)
    const problem = { file: tsconfig, line: null, code: 'IMPORT', message, hint: null } as const
    throw new MigrationFileError([problem], error)
  }
}

function resolve(jiti: Jiti, plain: Jiti, specifier: string, from: string): Resolved {
  if (specifier === OWN_NAME || specifier.startsWith(`${OWN_NAME}/`) || isBuiltin(specifier))
    return { kind: 'package', path: null }
  const found = pathOf(jiti, specifier, from)
  const isNamedByPath = /^(\.{0,2}\/|\.{1,2}$|file:|#)/.test(specifier)
  if (isNamedByPath) return found === null ? { kind: 'missing' } : { kind: 'local', path: found }
  // A bare name: a package, unless the paths of a tsconfig lead to a file of the project.
  const byPaths = found !== null && jiti !== plain && pathOf(plain, specifier, from) !== found
  if (byPaths && !found.includes(`${path.sep}node_modules${path.sep}`)) return { kind: 'local', path: found }
  return { kind: 'package', path: found }
}

function pathOf(jiti: Jiti, specifier: string, from: string): string | null {
  const found = jiti.esmResolve(specifier, { parentURL: pathToFileURL(from), try: true })
  if (found === undefined || found === '') return null
  return found.startsWith('file:') ? fileURLToPath(found) : found
}
