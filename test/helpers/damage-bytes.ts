import fc from 'fast-check'

/** Places are parts of the length. */
export interface Damage {
  readonly kind: 'change' | 'remove' | 'insert' | 'cut' | 'zero'
  readonly at: number
  readonly length: number
  readonly value: number
}

export function anyDamage(): fc.Arbitrary<Damage> {
  return fc.record({
    kind: fc.constantFrom('change', 'remove', 'insert', 'cut', 'zero'),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 1, max: 16 }),
    value: fc.nat(255),
  })
}

/** A damaged copy. */
export function damaged(bytes: Buffer, { kind, at, length, value }: Damage): Buffer {
  const from = Math.floor(at * (bytes.length - 1))
  const [before, after] = [bytes.subarray(0, from), bytes.subarray(from + length)]
  switch (kind) {
    case 'change':
      return Buffer.concat([before, Buffer.alloc(1, value), bytes.subarray(from + 1)])
    case 'remove':
      return Buffer.concat([before, after])
    case 'insert':
      return Buffer.concat([before, Buffer.alloc(length, value), bytes.subarray(from)])
    case 'cut':
      return Buffer.from(before)
    case 'zero':
      return Buffer.concat([before, Buffer.alloc(Math.min(length, bytes.length - from)), after])
  }
}
