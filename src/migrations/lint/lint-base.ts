/** Files as others have them: those of the branch that this one will be merged into. */
export interface LintBase {
  /** As it was named: `origin/main`. */
  readonly ref: string
  /** Names of the files in the folder of the migrations. */
  readonly files: readonly string[]
  /** Absolute paths of files that are new or differ, in the whole project. */
  readonly changed: ReadonlySet<string>
  /** The text of a file of the folder of the migrations; null when it is not there. */
  read(name: string): Promise<string | null>
}
