/** What a new migration can start from. */
export interface Template {
  readonly name: string
  /** For `--help` and for lists. */
  readonly description: string
  readonly text: (title: string, language: Language) => string
}

export type Language = 'ts' | 'js'

export const templates: readonly Template[] = [
  template('blank', 'an empty migration', `    // await m.collection('docs')…`),
  template(
    'transform',
    'change records: metadata, documents, ids stay',
    `    await m
      .collection('docs')
      // Null leaves the record out.
      .transform((record) => ({ ...record, metadata: { ...record.metadata, language: 'en' } }))
      .copyAndSwap({ keepOld: '14d' })`,
  ),
  template(
    'filter',
    'leave records out',
    `    await m
      .collection('docs')
      .filter((record) => record.document !== null)
      .copyAndSwap({ keepOld: '14d' })`,
  ),
  template(
    'reembed',
    'new vectors, by another model',
    `    await m
      .collection('docs')
      .reembed({ with: provider, batch: 100, concurrency: 4 })
      .changeSpace('cosine')
      .copyAndSwap({ keepOld: '14d' })`,
    {
      before: (
        language,
      ) => `// Any embedding function of the chromadb packages does as well, such as that of @chroma-core/openai.
const provider = {
  name: 'example',
  async generate(${language === 'ts' ? 'texts: string[]): Promise<number[][]>' : 'texts)'} {
    throw new Error(\`ask your model for the vectors of \${texts.length} texts here\`)
  },
}

`,
      check: `    await m.collection('docs').requireDocuments({ missingAtMost: 0 })`,
      more: `  startup: 'never',\n`,
    },
  ),
  template(
    'space',
    'another distance: l2, cosine or ip',
    `    await m.collection('docs').changeSpace('cosine').copyAndSwap({ keepOld: '14d' })`,
    { check: `    await m.collection('docs').require({ space: 'l2' })` },
  ),
  template(
    'dimension',
    'shorter vectors, of models that allow it',
    `    await m.collection('docs').changeDimension(256).copyAndSwap({ keepOld: '14d' })`,
    { check: `    await m.collection('docs').require({ dimension: 768 })` },
  ),
  template('rename', 'another name', `    await m.collection('docs').rename('documents')`),
  template(
    'split',
    'one collection into several',
    `    await m
      .collection('docs')
      // Null: into none of them. The collection itself stays.
      .split(
        (record) => (record.metadata?.['language'] === 'de' ? 'docs_de' : 'docs_en'),
        ['docs_de', 'docs_en'],
      )`,
  ),
  template(
    'merge',
    'several collections into one',
    `    await m.collection('docs_de').merge(['docs_en'], { into: 'docs', onConflict: 'fail' })`,
  ),
  template(
    'copy',
    'a second collection of the same records',
    `    await m.collection('docs').copyTo('docs_copy')`,
  ),
  template(
    'create',
    'a new collection',
    `    await m.collection('docs').create({ space: 'cosine', metadata: { owner: 'search' } })`,
  ),
  template('drop', 'a collection into the trash', `    await m.collection('docs').drop({ keep: '14d' })`),
  template(
    'metadata',
    'metadata of a collection',
    `    await m.collection('docs').setMetadata((previous) => ({ ...previous, owner: 'search' }))`,
  ),
  template(
    'configuration',
    'settings of the index that can change in place',
    `    await m.collection('docs').setConfiguration({ hnsw: { ef_search: 200 } })`,
  ),
  template(
    'step',
    'code of your own',
    `    // Done again if the process dies in it, so it must bear that.
    await m.step('tell the application', async ({ signal }) => {
      signal.throwIfAborted()
    })`,
    { more: `  irreversible: 'nothing to take back',\n` },
  ),
]

interface Parts {
  readonly before?: (language: Language) => string
  readonly check?: string
  readonly more?: string
}

function template(name: string, description: string, up: string, parts: Parts = {}): Template {
  const { before, check, more = '' } = parts
  const checks = check === undefined ? '' : `\n  async check(m) {\n${check}\n  },\n`
  const text: Template['text'] = (title, language) => `import { defineMigration } from 'chroma-ops'

${before?.(language) ?? ''}export default defineMigration({
  description: ${quoted(title)},
${more}${checks}
  async up(m) {
${up}
  },
})
`
  return { name, description, text }
}

/** As a string literal of the program. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
