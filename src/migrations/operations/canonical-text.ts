import { isMetadataDouble } from '../record.js'
import { functionText } from './function-text.js'

/**
 * A text that is the same for equal values, whatever the order of their keys; for hashes. Functions count with
 * what their source does, not with how it is formatted. Throws a TypeError for what refers to itself.
 */
export function canonicalText(value: unknown): string {
  return textOf(value, [])
}

function textOf(value: unknown, parents: readonly unknown[]): string {
  if (value === undefined) return 'undefined'
  if (typeof value === 'function') return `function ${JSON.stringify(functionText(value))}`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return 'symbol'
  // JSON makes null of them.
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return numberText(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (parents.includes(value)) throw new TypeError('a value that contains itself')
  const inner = [...parents, value]
  if (isMetadataDouble(value)) return `double ${value.value}`
  if (Array.isArray(value)) return `[${value.map((item) => textOf(item, inner)).join(',')}]`
  if (ArrayBuffer.isView(value)) return `bytes ${JSON.stringify(bytesOf(value).toString('base64'))}`
  const entries: [string, unknown][] =
    value instanceof Map
      ? [...value].map(([key, item]): [string, unknown] => [String(key), item])
      : Object.entries(value)
  const members = entries
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, item]) => `${JSON.stringify(key)}:${textOf(item, inner)}`)
  return `{${members.join(',')}}`
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
