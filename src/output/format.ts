import { grouped, plural } from '../core/plural.js'

export { grouped, plural }

/** `1.2 GiB`; below 1 KiB `512 B`. */
export function shortBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit] ?? ''}`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1.2 GiB (1234567890 bytes)`; below 1 KiB `512 bytes`. */
export function bytes(count: number): string {
  return count < 1024 ? plural(count, 'byte') : `${shortBytes(count)} (${count} bytes)`
}

/** `840 ms`, `3.2 s`, `2 min 5 s`, `1 h 4 min`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `2026-11-20 02:00:00Z`. */
export function instant(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** `31.4 MiB/s`; a dash when no time has passed. */
export function byteRate(count: number, milliseconds: number): string {
  return milliseconds <= 0 ? '-' : `${shortBytes((count * 1000) / milliseconds)}/s`
}

/** `12,345 records/s`; a dash when no time has passed. */
export function countRate(count: number, noun: string, milliseconds: number): string {
  return milliseconds <= 0 ? '-' : `${grouped((count * 1000) / milliseconds)} ${noun}/s`
}

/** A name for a column of a table, cut in the middle where it is very long: both ends tell names apart. */
export function columnName(name: string): string {
  const points = Array.from(name)
  if (points.length <= LONGEST_NAME) return name
  const head = Math.ceil(LONGEST_NAME / 3)
  return `${points.slice(0, head).join('')}…${points.slice(head + 1 - LONGEST_NAME).join('')}`
}

const LONGEST_NAME = 64

/**
 * Text from elsewhere made harmless for a terminal: control characters become visible escapes, except line
 * breaks, tabs and colours.
 */
export function harmless(text: string): string {
  return text.replaceAll(CONTROL, (match) =>
    match.length > 1 ? match : `\\x${match.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

const CONTROL = new RegExp(String.raw`\u001b\[[\d;]*m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]`, 'g')
