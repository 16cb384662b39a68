import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { transform } from '@swc/core'

import { isErrno } from '../../src/core/errors.js'

const root = path.resolve(import.meta.dirname, '../..')
// Below node_modules, so that packages are found from there.
const cache = path.join(root, 'node_modules', '.cache', 'chroma-ops-test')

/**
 * The launcher of a build of the present sources, for tests that need a real process:
 * `spawn(process.execPath, [await builtCli(), 'health'])`. Built once for each state of the sources.
 */
export async function builtCli(): Promise<string> {
  const sources = await sourceFiles()
  const folder = path.join(cache, await stateOf(sources))
  if (!(await exists(folder))) {
    await build(sources, folder)
    await removeOld()
  }
  return path.join(folder, 'bin', 'chroma-ops.js')
}

/** A module of that build, to be imported by a process that may be short of rights: `builtModule('core/json')`. */
export async function builtModule(name: string): Promise<string> {
  return path.resolve(await builtCli(), '..', '..', 'dist', `${name}.js`)
}

async function sourceFiles(): Promise<string[]> {
  const entries = await readdir(path.join(root, 'src'), { recursive: true })
  const sources = entries.filter((entry) => entry.endsWith('.ts')).map((entry) => path.join('src', entry))
  const launchers = (await readdir(path.join(root, 'bin'))).map((name) => path.join('bin', name))
  return [...sources, 'package.json', ...launchers].sort()
}

async function stateOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update(await readFile(path.join(root, file)))
  return hash.digest('hex').slice(0, 16)
}

/** Earlier states of the sources are of no use, but another run may just be at work on one. */
async function removeOld(): Promise<void> {
  const names = await readdir(cache)
  for (const name of names) {
    const folder = path.join(cache, name)
    if (await isOlderThan(folder, 3_600_000)) await rm(folder, { recursive: true, force: true })
  }
}

async function build(files: readonly string[], folder: string): Promise<void> {
  const draft = path.join(cache, `draft-${randomUUID()}`)
  for (const file of files) {
    const target = path.join(draft, file.replace(/^src/, 'dist').replace(/\.ts$/, '.js'))
    await mkdir(path.dirname(target), { recursive: true })
    if (!file.endsWith('.ts')) {
      await cp(path.join(root, file), target)
      continue
    }
    const { code } = await transform(await readFile(path.join(root, file), 'utf8'), {
      filename: file,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
      sourceMaps: 'inline',
      swcrc: false,
    })
    await writeFile(target, code)
  }
  try {
    await rename(draft, folder)
  } catch (error) {
    // Another worker was quicker.
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error
    await rm(draft, { recursive: true })
  }
}

async function exists(folder: string): Promise<boolean> {
  return isOlderThan(folder, Number.NEGATIVE_INFINITY)
}

/** False when it is not there. */
async function isOlderThan(folder: string, milliseconds: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(folder)).mtimeMs > milliseconds
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}
