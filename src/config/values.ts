import { UsageError } from '../core/errors.js'
import { suggestion } from '../core/suggest.js'

export { durationOf } from '../core/duration.js'

/** Bytes of `4096`, `512KiB`, `64MB`, `1.5GiB`; `k`, `M` and `G` alone are powers of 1024. */
export function sizeOf(text: string): number {
  const [, amount, prefix = '', decimal] = /^(\d+(?:\.\d+)?) ?([kKMGT]?)(i?B)?$/.exec(text) ?? []
  if (amount === undefined || (prefix === '' && decimal === 'iB')) {
    throw new UsageError(`"${text}" is not a size`, { hint: 'for example 4096, 512KiB or 64MiB' })
  }
  const base = decimal === 'B' ? 1000 : 1024
  return Math.round(Number(amount) * base ** ' kMGT'.indexOf(prefix === 'K' ? 'k' : prefix || ' '))
}

/** Bytes each second of `512KiB`, `10MiB/s`: at least 1 KiB. */
export function rateOf(text: string): number {
  const rate = sizeOf(text.replace(/\/s$/, ''))
  if (rate >= 1024) return rate
  throw new UsageError(`"${text}" is not a rate of at least 1 KiB each second`, { hint: 'for example 10MiB' })
}

/** A share between 0 (not included) and 1 of `5%` or `0.05`. */
export function shareOf(text: string): number {
  const [, amount, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? []
  const share = Number(amount) / (percent === '%' ? 100 : 1)
  if (!(share > 0 && share <= 1)) {
    throw new UsageError(`"${text}" is not a share`, { hint: 'for example 5% or 0.05' })
  }
  return share
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`
    throw new UsageError(`"${text}" is not a whole number ${range}`)
  }
}

export function decimalNumber(least: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    if (value >= least) return value
    throw new UsageError(`"${text}" is not a number of at least ${least}`)
  }
}

export function oneOf<const T extends string>(...choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text)
    if (choice !== undefined) return choice
    throw new UsageError(`"${text}" is not one of the choices`, { hint: suggestion(text, choices) })
  }
}

export function booleanOf(text: string): boolean {
  if (/^(true|yes|on|1)$/i.test(text)) return true
  if (/^(false|no|off|0)$/i.test(text)) return false
  throw new UsageError(`"${text}" is neither true nor false`)
}

export function nonEmpty(text: string): string {
  if (text.trim() === '') throw new UsageError('the value is empty')
  return text
}

/** `http(s)://host[:port][/prefix]`, as it was written but for slashes at its end. */
export function serverUrlOf(text: string): string {
  const hint = 'for example http://127.0.0.1:8000'
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`"${text}" is not the URL of a server`, {
      hint: /^[\w.-]+:\d+$/.test(text) ? `did you mean http://${text}?` : hint,
    })
  }
  if (url.search !== '' || url.hash !== '') {
    throw new UsageError(`"${text}" has a query or a fragment, which a server's URL cannot have`, { hint })
  }
  return text.replace(/\/+$/, '')
}
