import { readFile } from 'node:fs/promises'

import { expect, test } from '@jest/globals'

import { directoryCatalogue, directoryFinding } from '../../../src/health/offline/catalogue.js'
import type { CatalogueEntry } from '../../../src/health/offline/catalogue-entry.js'

const entries: readonly (readonly [string, CatalogueEntry])[] = Object.entries(directoryCatalogue)

test('docs/health.md lists every finding as the catalogue has it, and no other', async () => {
  const text = await readFile(new URL('../../../docs/health.md', import.meta.url), 'utf8')
  const rows = new Map(
    [...text.matchAll(/^\| `([A-Z_]+)` +\|(.*)\|$/gm)].map(([, id = '', rest = '']) => [
      id,
      rest.split(' | ').map((cell) => cell.trim()),
    ]),
  )
  expect([...rows.keys()].sort()).toEqual(entries.map(([id]) => id).sort())
  for (const [id, { severity, meaning, consequence, advice, command }] of entries) {
    const shown = command
      ?.replace('{path}', 'DIR')
      .replace('{collection}', 'NAME')
      .replace('{tenant}', 'TENANT')
      .replace('{database}', 'DATABASE')
    const whatToDo = shown === undefined ? advice : `${advice}: \`${shown}\``
    expect([id, ...(rows.get(id) ?? [])]).toEqual([id, severity, meaning, consequence, whatToDo])
  }
})

test('commands name the directory and the collection as a shell reads them', () => {
  const { command } = directoryFinding("/it's/data $1", {
    id: 'LINK_LISTS_BLOATED',
    evidence: '',
    collection: { tenant: 't', database: 'd', name: 'a $& b' },
  })
  expect(command).toBe(
    String.raw`chroma-ops rebuild index --path '/it'\''s/data $1' --collection 't/d/a $& b'`,
  )
})
