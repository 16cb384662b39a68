import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import * as v from 'valibot'

import { isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { OWN_FOLDER } from './own-folder.js'
import { syncFolder } from './sync-folder.js'
import { writeDurably } from './write-durably.js'

/** A restore was interrupted, and what it left can neither be finished nor taken back without a decision. */
export class SwapUndecidedError extends OpsError {
  override readonly code = 'SWAP_UNDECIDED'
  override readonly exitCode = ExitCode.undecided
}

/** `.chroma-ops/journal.json`: what a run means to put in place of what. Names of children of the directory. */
export type SwapJournal = v.InferOutput<typeof journalSchema>

const JOURNAL = 'journal.json'

const journalSchema = v.object({
  format: v.literal(1),
  kind: v.literal('swap'),
  run: v.pipe(v.string(), v.regex(/^[0-9A-Za-z-]{1,200}$/)),
  contents: v.string(),
  created: v.string(),
  keepOld: v.boolean(),
  old: v.array(v.string()),
  new: v.array(v.string()),
})

export async function writeJournal(own: string, journal: SwapJournal): Promise<void> {
  await writeDurably(path.join(own, JOURNAL), `${JSON.stringify(journal, null, 2)}\n`)
}

/** Null when there is none. Rejects with a {@link SwapUndecidedError} when it cannot be read. */
export async function readJournal(directory: string): Promise<SwapJournal | null> {
  const file = path.join(directory, OWN_FOLDER, JOURNAL)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), journalSchema), text)
  if (parsed.success) return parsed.output
  throw new SwapUndecidedError(`${file} cannot be read`, {
    hint: 'an interrupted run left it; look into staging and quarantine beside it',
  })
}

export async function removeJournal(own: string): Promise<void> {
  await rm(path.join(own, JOURNAL), { force: true })
  await syncFolder(own)
}
