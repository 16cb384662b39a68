import { stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import type { DataDirectory } from './data-directory.js'
import { DirectoryChangedError } from './errors.js'
import { HNSW_FILES, PICKLE_FILE } from './hnsw-index.js'

/** What tells whether somebody has written to the database, or to the files of one index. */
export class DirectoryState {
  readonly #directory: DataDirectory
  readonly #folder: string | undefined
  readonly #state: string

  private constructor(directory: DataDirectory, folder: string | undefined, state: string) {
    this.#directory = directory
    this.#folder = folder
    this.#state = state
  }

  static async of(directory: DataDirectory, segmentId: string | undefined): Promise<DirectoryState> {
    const folder = segmentId === undefined ? undefined : path.join(directory.path, segmentId)
    return new DirectoryState(directory, folder, await stateOf(directory, folder))
  }

  /** Rejects with a {@link DirectoryChangedError}. */
  async requireUnchanged(): Promise<void> {
    if ((await stateOf(this.#directory, this.#folder)) === this.#state) return
    throw new DirectoryChangedError(`${this.#directory.path} was written to while it was read`, {
      hint: 'read it again; a directory that a server works on is to be read from a copy',
    })
  }
}

async function stateOf({ database }: DataDirectory, folder: string | undefined): Promise<string> {
  // Differs as soon as another connection, of any process, has committed something.
  const states = [String(database.get('PRAGMA data_version')?.['data_version'])]
  if (folder === undefined) return states.join()
  for (const name of [...HNSW_FILES, PICKLE_FILE]) {
    try {
      const { ino, size, mtimeNs } = await stat(path.join(folder, name), { bigint: true })
      states.push([ino, size, mtimeNs].join(':'))
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
      states.push('none')
    }
  }
  return states.join()
}
