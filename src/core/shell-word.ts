/** A word that a POSIX shell reads back as it is. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./~^-]+$/.test(text) && !text.startsWith('~')
    ? text
    : `'${text.replaceAll("'", `'\\''`)}'`
}
