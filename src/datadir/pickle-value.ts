/** Text stays where it is: bytes of the piece, valid until the machine goes on. */
export type PickleValue =
  | { readonly kind: 'text'; readonly bytes: Uint8Array; readonly from: number; readonly to: number }
  | { readonly kind: 'number'; readonly value: number }
  /** The role is the key of the dict in the outermost one. */
  | { readonly kind: 'dict'; readonly role: string }
  | { readonly kind: 'none' | 'class' | 'tuple' | 'object' | 'kept' }

export interface PickleEvents {
  /** A member of the outermost dict. */
  field(name: string, value: PickleValue): void
  /** A pair of a dict that is such a member. */
  pair(role: string, key: PickleValue, value: PickleValue): void
}

export function textOf(value: PickleValue & { readonly kind: 'text' }): string {
  return Buffer.from(
    value.bytes.buffer,
    value.bytes.byteOffset + value.from,
    value.to - value.from,
  ).toString()
}

/** A value that outlives the piece of bytes that it came from. */
export function ownCopy(value: PickleValue): PickleValue {
  if (value.kind !== 'text') return value
  const bytes = Uint8Array.from(value.bytes.subarray(value.from, value.to))
  return { kind: 'text', bytes, from: 0, to: bytes.length }
}
