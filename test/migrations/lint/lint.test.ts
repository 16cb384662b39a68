import { rm } from 'node:fs/promises'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { lintMigrations } from '../../../src/migrations/lint/lint-migrations.js'
import { documentOf, runCli } from '../../helpers/run-cli.js'
import { runNow } from '../../helpers/run-now.js'
import { temporaryProject, type TemporaryProject } from '../files/temporary-project.js'

let project: TemporaryProject

beforeEach(async () => {
  project = await temporaryProject()
})

afterEach(() => project.dispose())

const head = `import { defineMigration } from 'chroma-ops'\n`

function migration(up: string, more = ''): string {
  return `${head}export default defineMigration({\ndescription: 'x',${more}\nasync up(m) {\n${up}\n} })\n`
}

/** `rule@line`, where the first line of `up` is 1. */
async function lint(text: string): Promise<string[]> {
  await project.write({ 'migrations/00001_x.ts': text })
  const { findings } = await lintMigrations({ dir: project.dir, base: null })
  const offset = text.startsWith(head) ? 4 : 0
  return findings.map(({ rule, line }) => `${rule}@${line - offset}`)
}

describe('rules', () => {
  const docs = `m.collection('docs')`

  test.each([
    ['CM001@1', `await ${docs}.drop({ keep: '0' })`],
    ['CM001@2', `await m.client('x',\n(client) => client.deleteCollection({ name: 'docs' }), )`],
    ['CM002@1', `await ${docs}.transform((r) => (r.document ? r : null)).copyAndSwap()`],
    ['CM002@1', `await ${docs}.transform((r) => { if (r.uri) return r; return null })`],
    ['CM002@1', `await ${docs}.transform((r) => { if (!r.uri) return; return r })`],
    ['CM003@1', `await ${docs}.transform((r) => r, { inPlace: true })`],
    ['CM004@2', `${docs}\n.changeSpace('cosine')`],
    ['CM004@1', `${docs}.transform((r) => r).copyAndSwap()`],
    ['CM004@1', `await ${docs}.setConfiguration({ hnsw: { space: 'cosine' } })`],
    ['CM005@1', `await ${docs}.setConfiguration({ embedding_function: { type: 'known' } })`],
    ['CM006@1', `await ${docs}.setMetadata({ a: 1 })`],
    ['CM006@1', `await ${docs}.setMetadata(null)`],
    ['CM007@1', `await ${docs}.create({ metadata: { 'hnsw:space': 'cosine' } })`],
    ['CM010@3', `await ${docs}.transform((r) => ({\n...r,\nmetadata: { at: Date.now() } }))`],
    ['CM010@1', `await ${docs}.filter(() => Math.random() > 0.5)`],
    ['CM010@1', `await ${docs}.split((r) => r.id + new Date().getTime(), ['a'])`],
    ['CM014@1', `await ${docs}.changeSpace('ip').copyAndSwap({ keepOld: '0d' })`],
    ['CM014@3', `const docs = ${docs}\nawait docs.changeSpace('ip')\n.copyAndSwap({ keepOld: '0' })`],
  ])('%s: %s', async (expected, up) => {
    const known = ['CM009']
    expect((await lint(migration(up))).filter((found) => !known.includes(found.slice(0, 5)))).toEqual([
      expected,
    ])
  })

  test.each([
    ['CM008', `await m.client('x', (client) => client.getOrCreateCollection({ name: 'a' }))`],
    ['CM009', `await m.step('x', async () => {})`],
    ['CM009', `await m.client('x', async () => {})`],
    [
      'CM015',
      `await m.client('x', async (client) => {
        const c = await client.getCollection({ name: 'a' })
        for (let offset = 0; ; offset += 100) {
          const page = await c.get({ limit: 100, offset })
          await c.delete({ ids: page.ids })
        }
      })`,
    ],
  ])('%s in code of one’s own', async (expected, up) => {
    expect((await lint(migration(up))).map((found) => found.slice(0, 5))).toContain(expected)
    const withDown = await lint(migration(up, `\nasync down() {},`))
    expect(withDown.some((found) => found.startsWith('CM009'))).toBe(false)
    const irreversible = await lint(migration(up, `\nirreversible: 'sent mail',`))
    expect(irreversible.some((found) => found.startsWith('CM009'))).toBe(false)
  })

  test('looks into functions of the same file that are called for each record', async () => {
    const found = await lint(
      `import { randomUUID } from 'node:crypto'
function stamp() { return label() }
const label = () => randomUUID()
const unused = () => Date.now()
export const up = (m) => m.collection('docs').transform((r) => ({ ...r, document: stamp() }))`,
    )
    expect(found).toEqual(['CM010@3'])
  })

  test('find nothing in a careful migration', async () => {
    const up = `
      const now = new Date().toISOString()
      await ${docs}.transform((r) => ({ ...r, metadata: { ...r.metadata, at: now } })).copyAndSwap({ keepOld: '14d' })
      await ${docs}.reembed({ with: provider, input: (r) => r.document }).copyAndSwap()
      await ${docs}.setConfiguration({ embedding_function: { type: 'known' } })
      await ${docs}.setMetadata((previous) => ({ ...previous, at: now, drop: null }))
      await m.step('tell', async () => {}, { down: async () => {} })
      await ${docs}.drop({ keep: '30d' })
      console.log(['x'].filter(() => true), new Map().get('offset'))`
    expect(await lint(migration(up))).toEqual([])
  })

  test('imports of application code, but not those of types', async () => {
    await project.write({
      'src/app.ts': 'export const a = 1\nexport type T = string\n',
      'migrations/lib/b.ts': 'export const b = 1',
    })
    const text = `import { a } from '../src/app.js'
import type { T } from '../src/app.js'
import { b } from './lib/b.js'
export const up = (): T => String(a + b)`
    expect(await lint(text)).toEqual(['CM013@1'])
  })
})

describe('comments that accept a finding', () => {
  const drop = `await m.collection('docs').drop({ keep: '0' })`

  test.each([
    ['above the statement', `// chroma-ops-lint-disable CM001 a cache\n${drop}`],
    ['in the same line', `${drop} // chroma-ops-lint-disable CM001 a cache`],
    [
      'above a statement of several lines',
      `// chroma-ops-lint-disable CM002, CM001 a cache\nawait m\n.collection('docs')\n.drop({ keep: '0' })`,
    ],
    ['in a block', `/* chroma-ops-lint-disable CM001: a cache */\n${drop}`],
  ])('%s', async (_, up) => {
    expect(await lint(migration(up))).toEqual([])
  })

  test.each([
    ['without a reason', `// chroma-ops-lint-disable CM001\n${drop}`, ['CM000@1', 'CM001@2']],
    ['of an unknown rule', `// chroma-ops-lint-disable CM099 why\n${drop}`, ['CM000@1', 'CM001@2']],
    ['of another rule', `// chroma-ops-lint-disable CM002 why\n${drop}`, ['CM001@2']],
    ['for another statement', `// chroma-ops-lint-disable CM001 why\nawait 1\n\n${drop}`, ['CM001@4']],
  ])('but not one %s', async (_, up, expected) => {
    expect((await lint(migration(up))).toSorted()).toEqual(expected)
  })
})

describe('migrate lint', () => {
  const risky = migration(`await m.collection('docs').setMetadata({ a: 1 })`)

  test('ends with 3 and tells each finding as text, JSON or annotation', async () => {
    await project.write({ 'migrations/00001_x.ts': risky })
    const host = { cwd: project.root }
    const asText = await runCli(['migrate', 'lint'], host)
    expect(asText.exitCode).toBe(3)
    expect(asText.stdout).toContain('warning  migrations/00001_x.ts:5  CM006  all other keys are lost')
    const asJson = documentOf(await runCli(['migrate', 'lint', '--format', 'json'], host))
    expect(asJson).toMatchObject({
      files: 1,
      findings: [{ rule: 'CM006', file: 'migrations/00001_x.ts', line: 5 }],
    })
    const annotated = await runCli(['migrate', 'lint', '--format', 'github'], host)
    expect(annotated.stdout).toMatch(
      /^::warning file=migrations\/00001_x.ts,line=5,title=CM006%3A [^:]*::all other keys/,
    )
    await project.write({ 'migrations/00001_x.ts': migration('await 1') })
    expect((await runCli(['migrate', 'lint'], host)).exitCode).toBe(0)
  })

  test('--base looks at what is new, edited or out of order against a git ref', async () => {
    const git = (...words: readonly string[]) => {
      const options = { cwd: project.root, env: { PATH: process.env['PATH'] } }
      const { status, stderr } = runNow(
        'git',
        ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words],
        options,
      )
      if (status !== 0) throw new Error(stderr)
    }
    const host = { cwd: project.root }
    const run = async () => {
      const { findings } = documentOf(await runCli(['migrate', 'lint', '--base', 'main', '--json'], host))
      if (!Array.isArray(findings)) throw new Error('no findings')
      return findings.map(
        ({ rule, file }: { rule: string; file: string }) => `${rule} ${path.basename(file)}`,
      )
    }
    await project.write({
      'migrations/lib/a.ts': 'export const a = 1\n',
      'migrations/00001_x.ts': risky,
      'migrations/00002_y.ts': `import { a } from './lib/a.js'\nexport const up = () => void a\n`,
    })
    await runCli(['migrate', 'validate', '--update-sum'], host)
    git('init', '-q', '-b', 'main')
    git('add', '.')
    git('commit', '-q', '-m', 'base')
    git('checkout', '-q', '-b', 'feature')
    expect(await run()).toEqual([])
    await project.write({ 'migrations/00001_x.ts': `// a comment\n${risky}` })
    expect(await run()).toEqual(['CM006 00001_x.ts'])
    await project.write({ 'migrations/lib/a.ts': 'export const a = 2\n', 'migrations/00001_x.ts': risky })
    expect(await run()).toEqual(['CM011 00002_y.ts'])
    await project.write({
      'migrations/00002_z.ts': migration('await 1'),
      'migrations/lib/a.ts': 'export const a = 1\n',
    })
    expect(await run()).toEqual(['CM012 00002_z.ts'])
    await rm(path.join(project.dir, '00002_z.ts'))
    await project.write({ 'migrations/00003_z.ts': migration('await 1') })
    expect(await run()).toEqual([])
  })

  test('a ref that is not known is a usage error', async () => {
    await project.write({ 'migrations/00001_x.ts': risky })
    const { exitCode, stderr } = await runCli(['migrate', 'lint', '--base', 'main'], { cwd: project.root })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('error: --base: git')
  })
})
