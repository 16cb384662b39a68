import { OpsError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'

/** What is wrong with one migration file, or with `chroma-ops.sum`. */
export interface FileProblem {
  /** As it is told to people: `migrations/00007_docs.ts`. */
  readonly file: string
  /** Counts from 1; null when the problem is about the file as a whole. */
  readonly line: number | null
  readonly code: FileProblemCode
  readonly message: string
  readonly hint: string | null
}

export type FileProblemCode =
  | 'BAD_NAME'
  | 'DUPLICATE'
  | 'GAP'
  | 'SYNTAX'
  | 'IMPORT'
  | 'THROWS'
  | 'ENDLESS'
  | 'DEFINITION'
  | 'DEPENDS_ON'
  | 'SUM'

/** The migration files are not as they must be. Tells all that was found, not only the first. */
export class MigrationFileError extends OpsError {
  override readonly code = 'MIGRATION_FILE'
  override readonly exitCode = ExitCode.usage
  readonly problems: readonly FileProblem[]

  constructor(problems: readonly FileProblem[], cause?: unknown) {
    const [first] = problems
    const single = problems.length === 1 && first !== undefined
    super(single ? problemText(first) : manyText(problems), {
      hint: first?.hint ?? undefined,
      cause,
    })
    this.problems = problems
  }
}

/** `migrations/00007_docs.ts:12: …`, as editors and CI systems recognise it. */
export function problemText({ file, line, message }: FileProblem): string {
  return `${line === null ? file : `${file}:${line}`}: ${message}`
}

function manyText(problems: readonly FileProblem[]): string {
  const lines = problems.map((problem) => `\n  ${problemText(problem)}`)
  return `${problems.length} problems in the migration files${lines.join('')}`
}
