/** What a function of a migration gave back cannot be stored; whoever knows the record makes an error of it. */
export class BadValue extends Error {
  override readonly name = 'BadValue'
}

/** A value in a message: short, and never a whole document. */
export function describe(value: unknown): string {
  if (value === undefined) return 'undefined'
  if (value === null) return 'null'
  if (typeof value === 'string') return `the text ${quoted(value)}`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (Array.isArray(value)) return 'a list'
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1)
  return tag === 'Object' ? 'an object' : tag === 'Promise' ? 'a promise' : `an object (${tag})`
}

/** In quotation marks, at most 60 characters of it. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}

/** The text itself. Throws {@link BadValue} for half a surrogate pair, which is not Unicode. */
export function checkText(text: string, what: string): string {
  if (HALF_PAIR.test(text)) throw new BadValue(`${what} holds half a surrogate pair, which is not Unicode`)
  return text
}

const HALF_PAIR = /\p{Surrogate}/u
