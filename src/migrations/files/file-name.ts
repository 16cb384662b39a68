/** The parts of `00007_docs_cosine.ts`. */
export interface MigrationFileName {
  /** Five digits. */
  readonly version: string
  readonly name: string
  /** With the point. */
  readonly extension: string
}

/** Those that are read, the preferred one first: a compiled file beside its source counts once. */
export const EXTENSIONS: readonly string[] = ['.ts', '.mts', '.js', '.mjs', '.cjs']

const DIGITS = 5
export const LAST_VERSION = 10 ** DIGITS - 1

const WELL_FORMED = /^(\d{5})_([A-Za-z0-9][A-Za-z0-9_-]*)(\.[cm]?[jt]s)$/
/** Scripts whose name begins as that of a migration does; declarations and tests beside them are none. */
const MEANT = /^\d.*\.[cm]?[jt]sx?$/
const BESIDE = /\.(d|test|spec)\.[cm]?[jt]sx?$/

/** Null when the name is not of the form `NNNNN_name.ts`. */
export function parseFileName(text: string): MigrationFileName | null {
  const [, version, name, extension] = WELL_FORMED.exec(text) ?? []
  if (version === undefined || name === undefined || extension === undefined) return null
  return EXTENSIONS.includes(extension) ? { version, name, extension } : null
}

/** Whether a file is meant to be a migration, with a fitting name or not. */
export function looksLikeMigration(text: string): boolean {
  return MEANT.test(text) && !BESIDE.test(text)
}

export function versionText(number: number): string {
  return String(number).padStart(DIGITS, '0')
}

/** `Docs cosine` as a part of a file name: `docs_cosine`; null when nothing is left that a name may have. */
export function nameFrom(text: string): string | null {
  const name = text
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_')
  return /^[a-z0-9][a-z0-9_]*$/.test(name) ? name : null
}
