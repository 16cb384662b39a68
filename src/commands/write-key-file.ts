import { open } from 'node:fs/promises'

import { newKeyFile } from '../backup/key-file.js'
import { asError, GuardError, UsageError } from '../core/errors.js'

/** Writes a new key file with mode 0600. Rejects with a GuardError (15) when there is a file already. */
export async function writeKeyFile(file: string, now: Date): Promise<void> {
  const handle = await create(file)
  try {
    await handle.writeFile(newKeyFile(now))
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function create(file: string) {
  try {
    return await open(file, 'wx', 0o600)
  } catch (error) {
    const { message } = asError(error)
    if (message.startsWith('EEXIST'))
      throw new GuardError('FILE_EXISTS', `${file} is there already, and could be somebody's only key`, {
        hint: 'choose another name',
        cause: error,
      })
    throw new UsageError(`cannot write ${file}: ${message}`, { cause: error })
  }
}
