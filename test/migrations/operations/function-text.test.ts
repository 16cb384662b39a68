import { runInThisContext } from 'node:vm'

import { expect, test } from '@jest/globals'

import { canonicalText } from '../../../src/migrations/operations/canonical-text.js'
import { functionText } from '../../../src/migrations/operations/function-text.js'

// As a file would have them: this one is formatted.
const made = (source: string): object => {
  const value: unknown = runInThisContext(`(${source})`)
  if (typeof value !== 'function') throw new Error(`${source} is no function`)
  return value
}

test.each([
  [
    'an arrow function',
    '(record)=>({...record,document:"a"})',
    `(record) => ({\n  ...record, // a\n  document: 'a',\n})`,
  ],
  ['a function', 'function(a){return a+1}', 'function (a) {\n  /* one more */\n  return a + 1;\n}'],
  ['a method', '({up(a){return a}}).up', '({ up(a) {\r\n  return a\r\n} }).up'],
  ['an async method', '({async up(a){return a}}).up', '({ async up( a ) { return a } }).up'],
  ['a class', 'class A{#x=1;get(){return this.#x}}', 'class A {\n  #x = 1\n  get() { return this.#x }\n}'],
])('%s is the same when it is formatted', (_, before, after) => {
  expect(functionText(made(after))).toBe(functionText(made(before)))
  expect(canonicalText({ change: made(after) })).toBe(canonicalText({ change: made(before) }))
})

test('another literal, name or order makes another function', () => {
  const texts = [
    '(a) => a + 1',
    '(a) => a + 2',
    '(a) => 1 + a',
    '(b) => b + 1',
    '({ up(a) { return a } }).up',
  ]
  expect(new Set(texts.map((source) => functionText(made(source)))).size).toBe(texts.length)
})

test('native functions have their source', () => {
  expect(functionText(Math.max)).toContain('[native code]')
})
