import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { createMigration } from '../../../src/migrations/files/create-file.js'
import { loadMigrations } from '../../../src/migrations/files/load-migrations.js'
import { templates, type Language } from '../../../src/migrations/files/templates.js'
import { validateMigrations } from '../../../src/migrations/files/validate-migrations.js'
import { lintMigrations } from '../../../src/migrations/lint/lint-migrations.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migrationsForSuite } from '../../helpers/migration-runs.js'
import { temporaryProject, type TemporaryProject } from './temporary-project.js'

const languages: readonly Language[] = ['ts', 'js']

describe('templates', () => {
  let project: TemporaryProject

  beforeAll(async () => {
    project = await temporaryProject()
    for (const [index, { name }] of templates.entries()) {
      const language = languages[index % languages.length] ?? 'ts'
      await createMigration({
        dir: project.dir,
        title: `its ${name}`,
        template: name,
        language,
      })
    }
  })

  afterAll(() => project.dispose())

  test('are loaded as they are, in either language, with a checksum that the sum file has', async () => {
    const { migrations, problems } = await validateMigrations({ dir: project.dir })
    expect(problems).toEqual([])
    expect(migrations.map(({ description }) => description)).toEqual(
      templates.map(({ name }) => `its ${name}`),
    )
    expect(new Set(migrations.map(({ checksum }) => checksum)).size).toBe(templates.length)
  })

  test('have no finding', async () => {
    expect((await lintMigrations({ dir: project.dir, base: null })).findings).toEqual([])
  })

  test('take titles with quotes and backslashes', async () => {
    const text = templates[0]?.text("it's \\ `a`", 'ts') ?? ''
    await project.write({ 'other/00001_a.ts': text })
    const [migration] = await loadMigrations({ dir: path.join(project.root, 'other') })
    expect(migration?.definition.description).toBe("it's \\ `a`")
  })
})

const chroma = chromaForSuite()
const openDatabase = migrationsForSuite(apiForSuite(chroma), chroma)

describe('run against a server', () => {
  /** What is there before, and afterwards; and what a user would fill in. */
  const cases: Readonly<
    Record<
      string,
      readonly [before: readonly string[], after: readonly string[], edit?: (text: string) => string]
    >
  > = {
    blank: [['docs'], ['docs']],
    transform: [['docs'], ['docs', 'docs.old']],
    filter: [['docs'], ['docs', 'docs.old']],
    reembed: [
      ['docs'],
      ['docs', 'docs.old'],
      (text) => text.replace(/throw new Error\(.*\)/, 'return texts.map((text) => [text.length, 1])'),
    ],
    space: [['docs'], ['docs', 'docs.old']],
    dimension: [['docs'], ['docs', 'docs.old'], (text) => text.replace('768', '3').replace('256', '2')],
    rename: [['docs'], ['documents']],
    split: [['docs'], ['docs', 'docs_de', 'docs_en']],
    merge: [
      ['docs_de', 'docs_en'],
      ['docs', 'docs_de', 'docs_en'],
    ],
    copy: [['docs'], ['docs', 'docs_copy']],
    create: [[], ['docs']],
    drop: [['docs'], ['docs.trash']],
    metadata: [['docs'], ['docs']],
    configuration: [['docs'], ['docs']],
    step: [['docs'], ['docs']],
  }

  test('each template has a case', () => {
    expect(Object.keys(cases)).toEqual(templates.map(({ name }) => name))
  })

  test.each(Object.entries(cases))('%s', async (template, [before, after, edit = String]) => {
    const project = await temporaryProject()
    const { file } = await createMigration({ dir: project.dir, title: template, template, language: 'ts' })
    const full = path.join(project.root, file)
    await writeFile(full, edit(await readFile(full, 'utf8')))
    const database = await openDatabase()
    for (const name of before) await database.fill(name)
    const migrations = await loadMigrations({ dir: project.dir })
    const result = await database.up(migrations, { skipBackup: true, allowDestructive: true })
    expect(result.error).toBeNull()
    const names = (await database.names()).map((name) => name.replace(/-[0-9a-f]{8}$/, ''))
    expect(names.filter((name) => !name.endsWith('.ledger'))).toEqual(after)
    await project.dispose()
  })
})
