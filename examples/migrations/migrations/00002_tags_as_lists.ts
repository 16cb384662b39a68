import { defineMigration } from 'chroma-ops'

export default defineMigration({
  description: 'terms: tags as a list in place of text with commas',

  async up(m) {
    await m.collection('terms').transform((record) => {
      const { tags, ...rest } = record.metadata ?? {}
      if (typeof tags !== 'string') return record
      return { ...record, metadata: { ...rest, tags: tags.split(',') } }
    })
  },
})
