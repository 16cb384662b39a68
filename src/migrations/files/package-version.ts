import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../../core/errors.js'

/** `name@version` of the package that `specifier` names and that has the file; without version if it tells none. */
export async function packageAt(specifier: string, file: string): Promise<string> {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    const version = await versionIn(path.join(dir, 'package.json'), name)
    if (version !== null) return `${name}@${version}`
    if (path.dirname(dir) === dir) return name
  }
}

async function versionIn(file: string, name: string): Promise<string | null> {
  try {
    const manifest: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof manifest !== 'object' || manifest === null) return null
    const isIt = 'name' in manifest && manifest.name === name
    return isIt && 'version' in manifest && typeof manifest.version === 'string' ? manifest.version : null
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return null
    throw error
  }
}
