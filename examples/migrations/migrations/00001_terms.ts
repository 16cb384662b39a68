import { defineMigration } from 'chroma-ops'

export default defineMigration({
  description: 'terms: a collection for the glossary',

  async up(m) {
    await m.collection('terms').create({ space: 'l2', metadata: { embedder: 'letters' } })
  },
})
