import { expect, test } from '@jest/globals'

import { shellWord } from '../../src/core/shell-word.js'

test('a shell reads words back as they are', () => {
  expect(shellWord('s3://bucket/a-b_c')).toBe('s3://bucket/a-b_c')
  expect(shellWord("it's")).toBe(`'it'\\''s'`)
  expect(shellWord('~root')).toBe("'~root'")
  expect(shellWord('')).toBe("''")
})
