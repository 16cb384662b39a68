import { duration, grouped, shortBytes } from './format.js'
import type { TaskState } from './progress-tracker.js'

/** `12,000/20,000 records · 1,234/s · 31.2 MiB (3.1 MiB/s) · ETA 6.5 s`, of which only what is known. */
export function progressText({ unit, done, total, bytes, rate, byteRate, remaining }: TaskState): string {
  const amount = unit === 'bytes' ? shortBytes : grouped
  const noun = unit === 'bytes' ? '' : ` ${unit}`
  const parts = [`${amount(done)}${total === null ? '' : `/${amount(total)}`}${noun}`]
  // Slower than that is not worth a figure: it would be 0.
  if (rate >= 0.5) parts.push(`${amount(rate)}/s`)
  if (bytes > 0 && unit !== 'bytes') {
    parts.push(
      byteRate > 0 ? `${shortBytes(bytes)} (${shortBytes(Math.round(byteRate))}/s)` : shortBytes(bytes),
    )
  }
  if (remaining !== null) parts.push(`ETA ${duration(remaining)}`)
  return parts.join(' · ')
}

/** What a phase is called in front of a task's name. */
export const phaseText = {
  list: 'listing',
  read: 'reading',
  write: 'writing',
  compare: 'comparing',
  verify: 'verifying',
  wait: 'waiting',
} as const
