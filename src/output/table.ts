import Table from 'cli-table3'

/** Rows in aligned columns, without rulers; columns named in `right` are flush right. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const lines = new Table({
    head: [...header],
    colAligns: header.map((name) => (right.includes(name) ? 'right' : 'left')),
    chars: NO_RULERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  })
  lines.push(...rows.map((row) => [...row]))
  return lines
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

const NO_RULERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
}
