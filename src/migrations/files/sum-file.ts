import { createHash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../../core/errors.js'
import type { FileProblem } from './file-problem.js'

/** One line of `chroma-ops.sum`: a migration as it was when it was written down. */
export interface SumLine {
  readonly version: string
  readonly name: string
  readonly checksum: string
}

/** What `chroma-ops.sum` says; null where it is not there. */
export interface SumFile {
  readonly lines: readonly SumLine[]
  readonly problems: readonly FileProblem[]
}

export const SUM_FILE = 'chroma-ops.sum'

const HEADER = 'chroma-ops.sum 1'
const UPDATE = 'when the files are as they should be: chroma-ops migrate validate --update-sum'

/**
 * The text of `chroma-ops.sum`: a header, then `version name checksum chain` for each migration. The chain is
 * SHA-256 over the line and the chain before it, cut to 16 bytes: so two branches that both add a migration
 * end in different last lines, and their merge is a conflict instead of two migrations of the same number.
 */
export function sumText(lines: readonly SumLine[]): string {
  let chain = ''
  const written = lines.map(({ version, name, checksum }) => {
    chain = nextChain(chain, { version, name, checksum })
    return `${version} ${name} ${checksum} ${chain}\n`
  })
  return `${HEADER}\n${written.join('')}`
}

/** Null: there is none. `shown` is its path as people are told it. */
export async function readSum(dir: string, shown: string): Promise<SumFile | null> {
  try {
    return parseSum(await readFile(path.join(dir, SUM_FILE), 'utf8'), shown)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

/** Replaced in one step: a run that dies leaves the old one. */
export async function writeSum(dir: string, lines: readonly SumLine[]): Promise<void> {
  const file = path.join(dir, SUM_FILE)
  const draft = `${file}.${process.pid}.tmp`
  try {
    await writeFile(draft, sumText(lines))
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

export function parseSum(text: string, file: string): SumFile {
  const [header, ...rows] = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const problem = (line: number, message: string, hint: string): FileProblem => ({
    ...{ file, line, code: 'SUM', message, hint },
  })
  const conflict = [header, ...rows].findIndex((row) => /^(<{7}|={7}|>{7})/.test(row ?? ''))
  if (conflict !== -1) {
    const hint = 'move the migration that is not merged yet to the end: chroma-ops migrate renumber <file>'
    return { lines: [], problems: [problem(conflict + 1, 'has conflicts of a merge', hint)] }
  }
  if (header !== HEADER) {
    const hint = header?.startsWith('chroma-ops.sum') === true ? 'it is of a newer chroma-ops' : UPDATE
    return { lines: [], problems: [problem(1, `does not begin with "${HEADER}"`, hint)] }
  }
  const lines: SumLine[] = []
  let chain = ''
  for (const [index, row] of rows.entries()) {
    if (row === '') continue
    const [version = '', name = '', checksum = '', written] = row.split(' ')
    const line = { version, name, checksum }
    chain = nextChain(chain, line)
    lines.push(line)
    if (written === chain) continue
    return { lines, problems: [problem(index + 2, 'was changed by hand, or merged by one', UPDATE)] }
  }
  return { lines, problems: [] }
}

/** Where files and `chroma-ops.sum` differ. `present`: all files that there are, with null for unknown sums. */
export function sumProblems(
  present: readonly {
    readonly version: string
    readonly name: string
    readonly file: string
    readonly checksum: string | null
  }[],
  sum: SumFile,
  sumFile: string,
): readonly FileProblem[] {
  if (sum.problems.length > 0) return sum.problems
  const written = new Map(sum.lines.map((line) => [keyOf(line), line]))
  const there = new Set(present.map(keyOf))
  const differing = present.flatMap((file): FileProblem[] => {
    const line = written.get(keyOf(file))
    if (line !== undefined && (file.checksum === null || file.checksum === line.checksum)) return []
    const message =
      line === undefined
        ? `is not in ${SUM_FILE}`
        : `is not what ${SUM_FILE} says: it, or a file that it imports, was changed`
    return [{ file: file.file, line: null, code: 'SUM', message, hint: UPDATE }]
  })
  const gone = sum.lines.flatMap((line, index): FileProblem[] => {
    if (there.has(keyOf(line))) return []
    const message = `${keyOf(line)} is written here, and its file is missing`
    return [{ file: sumFile, line: index + 2, code: 'SUM', message, hint: UPDATE }]
  })
  return [...differing, ...gone]
}

function keyOf({ version, name }: Pick<SumLine, 'version' | 'name'>): string {
  return `${version}_${name}`
}

function nextChain(previous: string, { version, name, checksum }: SumLine): string {
  return createHash('sha256').update(`${previous}\n${version} ${name} ${checksum}`).digest('hex').slice(0, 32)
}
