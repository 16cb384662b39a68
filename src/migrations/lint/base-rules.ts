import type { LoadedMigration } from '../files/load-file.js'
import { looksLikeMigration, parseFileName } from '../files/file-name.js'
import type { MigrationFile } from '../files/list-files.js'
import { normalForm } from '../files/normal-form.js'
import { parseSum, SUM_FILE, type SumLine } from '../files/sum-file.js'
import { parseProgram } from '../files/syntax.js'
import type { Remark } from './finding.js'
import type { LintBase } from './lint-base.js'

/** What `base` has, for the rules that compare with it. */
export interface KnownBase {
  readonly base: LintBase
  readonly lines: readonly SumLine[]
}

export async function readBase(base: LintBase): Promise<KnownBase> {
  const text = await base.read(SUM_FILE)
  return { base, lines: text === null ? [] : parseSum(text, SUM_FILE).lines }
}

/** Whether it, or a file that it imports, is new or differs from `base`. */
export function isChanged({ base }: KnownBase, bundle: readonly string[]): boolean {
  return bundle.some((file) => base.changed.has(file))
}

/** What others have already must stay; what is new must come after it. */
export async function baseRemarks(
  file: MigrationFile,
  loaded: Pick<LoadedMigration, 'checksum' | 'source'>,
  { base, lines }: KnownBase,
): Promise<readonly Remark[]> {
  const migrations = base.files.filter((name) => looksLikeMigration(name) && parseFileName(name) !== null)
  if (!migrations.includes(file.file)) {
    const last = migrations.toSorted().at(-1)
    if (last === undefined || file.version > last.slice(0, file.version.length)) return []
    const message = `${base.ref} has ${last} already: chroma-ops migrate renumber ${file.file}`
    return [{ rule: 'CM012', severity: 'error', line: 1, message }]
  }
  if (!(await isEdited(file, loaded, { base, lines }))) return []
  const message = `it, or a file that it imports, is not what ${base.ref} has, where it may be applied already: write a new migration`
  return [{ rule: 'CM011', severity: 'error', line: 1, message }]
}

async function isEdited(
  file: MigrationFile,
  { checksum, source }: Pick<LoadedMigration, 'checksum' | 'source'>,
  { base, lines }: KnownBase,
): Promise<boolean> {
  const line = lines.find(({ version, name }) => version === file.version && name === file.name)
  if (line !== undefined) return line.checksum !== checksum
  const before = await base.read(file.file)
  return before !== null && ownForm(before, file.file) !== ownForm(source, file.file)
}

/** Without what is imported: the branch may not have its checksum, and its other files are not here. */
function ownForm(text: string, file: string): string {
  return normalForm(parseProgram(text, file), file, ({ specifier }) => specifier)
}
