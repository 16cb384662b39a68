/** `1.2 GiB`, `512 bytes`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit] ?? ''}`
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1 row`, `3 rows`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `"a", "b" and more`. */
export function examplesText(examples: readonly string[], all: number, most = 5): string {
  const shown = examples.slice(0, most).map((example) => JSON.stringify(example))
  return shown.join(', ') + (all > shown.length ? ' and more' : '')
}
