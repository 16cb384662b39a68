/**
 * HalfSipHash-2-4 (Aumasson and Bernstein) of the UTF-16 units of a text, low byte first: 32 bits, unsigned, that say
 * nothing about the text to those without the key. `key`: its first 8 bytes count. Makes no garbage.
 */
export function halfSipHasher(key: Buffer): (text: string) => number {
  const [low, high] = [key.readInt32LE(0), key.readInt32LE(4)]
  const state = new Int32Array(4)
  return (text) => {
    state.set([low, high, 0x6c796765 ^ low, 0x74656462 ^ high])
    const whole = text.length & ~1
    for (let at = 0; at < whole; at += 2) absorb(state, text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16))
    const rest = whole === text.length ? 0 : text.charCodeAt(whole)
    absorb(state, rest | ((text.length * 2) << 24))
    state[2] = (state[2] ?? 0) ^ 0xff
    for (let round = 0; round < 4; round++) mix(state)
    return ((state[1] ?? 0) ^ (state[3] ?? 0)) >>> 0
  }
}

function absorb(state: Int32Array, word: number): void {
  state[3] = (state[3] ?? 0) ^ word
  mix(state)
  mix(state)
  state[0] = (state[0] ?? 0) ^ word
}

function mix(state: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0] = [state[0], state[1], state[2], state[3]]
  a = (a + b) | 0
  b = rotated(b, 5) ^ a
  a = rotated(a, 16)
  c = (c + d) | 0
  d = rotated(d, 8) ^ c
  a = (a + d) | 0
  d = rotated(d, 7) ^ a
  c = (c + b) | 0
  b = rotated(b, 13) ^ c
  c = rotated(c, 16)
  state[0] = a
  state[1] = b
  state[2] = c
  state[3] = d
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
