import { Option } from 'commander'

import { UsageError } from '../core/errors.js'
import { collect } from './shared-flags.js'

/** An option whose value is parsed; what is wrong with it is told with the flag's name. */
export function parsed(flags: string, description: string, parse: (text: string) => unknown): Option {
  return new Option(flags, description).argParser((text) => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      throw new UsageError(`${flags.split(' ', 1)[0] ?? flags}: ${error.message}`, {
        hint: error.hint,
        cause: error,
      })
    }
  })
}

/** An option that can be given several times. */
export function repeated(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect)
}

/** `a=b` pairs; a key given twice is an error. */
export function pairsOf(flag: string, texts: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const key = text.slice(0, at)
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`${flag}: "${text}" is not of the form a=b`)
    }
    if (pairs.has(key)) throw new UsageError(`${flag}: "${key}" is given twice`)
    pairs.set(key, text.slice(at + 1))
  }
  return pairs
}
