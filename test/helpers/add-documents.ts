// Adds records to the collection `docs` of a server and then makes a file:
//   node --import ./test/helpers/run-typescript.js add-documents.ts <url> <first> <records> <threshold> <file>
import { writeFileSync } from 'node:fs'

import { addDocuments } from './documents.js'

const [url = '', first, records, threshold, file = ''] = process.argv.slice(2)
await addDocuments(url, {
  first: Number(first),
  records: Number(records),
  threshold: Number(threshold),
})
writeFileSync(file, '')
