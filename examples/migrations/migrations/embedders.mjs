// Two embedding functions that run anywhere and always give the same vectors, so that the tutorial can be followed
// without a key. In their place stands any embedding function of the chromadb packages.

/** How often each letter occurs: a poor model, 26 numbers. */
export class Letters {
  name = 'letters'

  /** @param {string[]} texts */
  async generate(texts) {
    return texts.map((text) => {
      const counts = new Array(26).fill(0)
      for (const letter of text.toLowerCase().match(/[a-z]/g) ?? []) counts[letter.charCodeAt(0) - 97] += 1
      return counts
    })
  }
}

/** Which groups of three letters occur, by their hash: better, 256 numbers. */
export class Trigrams {
  name = 'trigrams'

  /** @param {string[]} texts */
  async generate(texts) {
    return texts.map((text) => {
      const counts = new Array(256).fill(0)
      const plain = ` ${text.toLowerCase().replaceAll(/[^a-z]+/g, ' ')} `
      for (let at = 0; at + 3 <= plain.length; at++) counts[hash(plain.slice(at, at + 3))] += 1
      return counts
    })
  }
}

function hash(text) {
  let value = 7
  for (const character of text) value = (value * 31 + character.charCodeAt(0)) % 65_521
  return value % 256
}
