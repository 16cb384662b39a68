import { createHash, randomUUID } from 'node:crypto'
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

import { asError, errnoOf, isErrno, OpsError, type ErrorDetails } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { planRelaxation, RelaxationRefused, type BinaryPatch } from './glibc-relax.js'

/** The Chroma server that the `chromadb` package carries cannot run on this machine. */
export class EmbeddedServerUnsupportedError extends OpsError {
  override readonly code = 'EMBEDDED_SERVER_UNSUPPORTED'
  override readonly exitCode = ExitCode.notSupported

  constructor(message: string, { hint, cause }: ErrorDetails = {}) {
    super(message, {
      hint: hint ?? 'use a Chroma server that runs elsewhere, for example in a container',
      cause,
    })
  }
}

/**
 * A native binding of the Chroma server that this machine can load: `source`, or a copy of it in `cacheDir`
 * (created if missing) made to load on an older glibc. Rejects with {@link EmbeddedServerUnsupportedError}.
 */
export async function loadableBinding(source: string, cacheDir: string): Promise<string> {
  if (process.platform !== 'linux') return source
  const minor = glibcMinor()
  if (minor === undefined)
    throw new EmbeddedServerUnsupportedError(
      'the Chroma server needs glibc, and this system has another C library',
    )
  const { size, mtimeMs } = await stat(source)
  const origin = shortHash(source)
  const copy = path.join(cacheDir, `chroma-${origin}-${shortHash(size, mtimeMs, minor, RULES)}.node`)
  if (await exists(copy)) return copy
  const patches = await relaxationOf(source, minor)
  if (patches.length === 0) return source
  try {
    await mkdir(cacheDir, { recursive: true })
    await removeOutdated(cacheDir, origin, copy)
    await copyPatched(source, copy, patches)
  } catch (error) {
    throw new EmbeddedServerUnsupportedError(
      `the Chroma server needs glibc 2.38, this system has 2.${minor}, and an adapted copy cannot be written to ${cacheDir}: ${asError(error).message}`,
      { hint: 'name a cache directory that is writable and has 60 MB free', cause: error },
    )
  }
  return copy
}

/** Counts up when {@link planRelaxation} changes what it does, so that older copies are not used. */
const RULES = 1

/** The binding that came with the installed `chromadb` package. */
export function installedBinding(): string {
  const name = BINDINGS.get(`${process.platform}-${process.arch}`)
  if (name === undefined)
    throw new EmbeddedServerUnsupportedError(
      `there is no Chroma server for ${process.platform} on ${process.arch} in the chromadb package`,
    )
  const fromHere = createRequire(import.meta.url)
  try {
    return createRequire(fromHere.resolve('chromadb')).resolve(name)
  } catch (error) {
    throw new EmbeddedServerUnsupportedError(`the package ${name} is not installed`, {
      hint: 'install again without --omit=optional',
      cause: error,
    })
  }
}

const BINDINGS = new Map([
  ['linux-x64', 'chromadb-js-bindings-linux-x64-gnu'],
  ['linux-arm64', 'chromadb-js-bindings-linux-arm64-gnu'],
  ['darwin-x64', 'chromadb-js-bindings-darwin-x64'],
  ['darwin-arm64', 'chromadb-js-bindings-darwin-arm64'],
  ['win32-arm64', 'chromadb-js-bindings-win32-arm64-msvc'],
  ['win32-x64', 'chromadb-js-bindings-win32-x64-msvc'],
])

async function relaxationOf(source: string, minor: number): Promise<readonly BinaryPatch[]> {
  try {
    return await planRelaxation(source, minor)
  } catch (error) {
    if (!(error instanceof RelaxationRefused)) throw error
    throw new EmbeddedServerUnsupportedError(
      `the Chroma server cannot run with glibc 2.${minor}: ${error.message}`,
      { cause: error },
    )
  }
}

async function copyPatched(source: string, target: string, patches: readonly BinaryPatch[]): Promise<void> {
  const temp = path.join(path.dirname(target), `.${randomUUID()}.tmp`)
  try {
    await copyFile(source, temp)
    const handle = await open(temp, 'r+')
    try {
      for (const { offset, bytes } of patches) await handle.write(bytes, 0, bytes.length, offset)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temp, target)
  } catch (error) {
    await rm(temp, { force: true })
    throw error
  }
}

/** Copies of an earlier state of the same binding are 50 MB each; those in use stay until they are closed. */
async function removeOutdated(cacheDir: string, origin: string, current: string): Promise<void> {
  const copies = (await readdir(cacheDir)).filter((name) => name.startsWith(`chroma-${origin}-`))
  // Another process may just have made the current one.
  const outdated = copies.filter((name) => name !== path.basename(current))
  for (const name of outdated) await rm(path.join(cacheDir, name), { force: true })
}

async function exists(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw new EmbeddedServerUnsupportedError(
      `the cache directory cannot be read: ${errnoOf(error) ?? ''} ${path.dirname(file)}`,
      { hint: 'name another cache directory', cause: error },
    )
  }
}

/** 36 for glibc 2.36; undefined where the C library is another one. */
function glibcMinor(): number | undefined {
  const version = field(field(reportWithoutNetwork(), 'header'), 'glibcVersionRuntime')
  return typeof version === 'string' ? Number(version.split('.')[1]) : undefined
}

/** The report would look up the name of every peer of this process, and block it meanwhile. */
function reportWithoutNetwork(): unknown {
  const before: unknown = Reflect.get(process.report, 'excludeNetwork')
  Reflect.set(process.report, 'excludeNetwork', true)
  try {
    return process.report.getReport()
  } finally {
    Reflect.set(process.report, 'excludeNetwork', before ?? false)
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined
}

function shortHash(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12)
}
