import { open } from 'node:fs/promises'

import { asError, UsageError } from '../core/errors.js'

/** Flags that name records. */
export interface IdFlags {
  readonly id?: readonly string[]
  readonly idsFile?: string
}

/**
 * The ids of `--id` and `--ids-file`, each once. A file holds one id on each line, or, for ids with line
 * breaks in them, a JSON array of strings. Throws a UsageError when there is none.
 */
export async function idsOf({ id = [], idsFile }: IdFlags): Promise<readonly string[]> {
  const ids = new Set(id)
  if (idsFile !== undefined) for (const line of await readIds(idsFile)) ids.add(line)
  if (ids.size > 0) return [...ids]
  throw new UsageError(idsFile === undefined ? 'no record is named' : `${idsFile} names no record`, {
    hint: 'name one with --id, or many with --ids-file, one on each line',
  })
}

async function readIds(file: string): Promise<readonly string[]> {
  try {
    const handle = await open(file)
    const text = await handle.readFile('utf8').finally(() => handle.close())
    return text.trimStart().startsWith('[') ? (parseList(text) ?? linesOf(text)) : linesOf(text)
  } catch (error) {
    throw new UsageError(`--ids-file: ${asError(error).message}`, { cause: error })
  }
}

/** Undefined when it is no JSON array of strings: ids may begin with a bracket too. */
function parseList(text: string): readonly string[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!Array.isArray(parsed)) return undefined
    const ids = parsed.filter((item: unknown) => typeof item === 'string')
    return ids.length === parsed.length ? ids : undefined
  } catch (error) {
    if (error instanceof SyntaxError || asError(error).name === 'SyntaxError') return undefined
    throw error
  }
}

function linesOf(text: string): readonly string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => line !== '')
}
