import { doubleText } from '../core/json.js'
import { isSparseVector, type MetadataValue } from '../core/metadata.js'

const MAX_TEXT = 160

/** JSON text of a string, shortened for people; `null` for null. */
export function textOf(text: string | null): string {
  if (text === null) return 'null'
  return text.length <= MAX_TEXT
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, MAX_TEXT))}… (${text.length} characters)`
}

/** Short text of a metadata value in which `1` and `1.0` differ; `absent` for undefined. */
export function valueText(value: MetadataValue | undefined): string {
  if (value === undefined) return 'absent'
  if (typeof value === 'string') return textOf(value)
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return value.toString()
  if (isSparseVector(value)) {
    const pairs = value.indices.map((index, at) => `${index}: ${numberText(value.values[at] ?? 0)}`)
    return shortened(`sparse {${pairs.join(', ')}}`)
  }
  return shortened(`[${value.map(valueText).join(', ')}]`)
}

/** A float of a vector with its position, and its bits, which the decimal text may hide. */
export function floatText(value: number, position: number): string {
  const bits = new DataView(new ArrayBuffer(4))
  bits.setFloat32(0, value)
  return `[${position}] ${numberText(value)} (0x${bits.getUint32(0).toString(16).padStart(8, '0')})`
}

function numberText(value: number): string {
  return Number.isFinite(value) ? doubleText(value) : String(value)
}

function shortened(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`
}
