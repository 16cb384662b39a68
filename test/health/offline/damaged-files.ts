import { appendFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { ELEMENT, inIndex, saved, segmentOf, sql, topicOf, type Damage } from './damage.js'
import { changeDatabase } from './directories.js'

/** Damage to the directory, the database file and the files of an index. */
export const damagedFiles: readonly Damage[] = [
  // The directory.
  {
    what: 'the database is gone',
    plant: (at) => rm(path.join(at, 'chroma.sqlite3')),
    found: ['critical NO_DATABASE'],
  },
  {
    what: 'the database is one level below, as after the move to /data',
    plant: async (at) => {
      await mkdir(path.join(at, 'chroma'))
      await rename(path.join(at, 'chroma.sqlite3'), path.join(at, 'chroma', 'chroma.sqlite3'))
    },
    found: ['critical NO_DATABASE'],
  },
  {
    what: 'another file in place of the database',
    plant: (at) =>
      writeFile(path.join(at, 'chroma.sqlite3'), 'version https://git-lfs.github.com/spec/v1\n'.repeat(50)),
    found: ['critical DATABASE_DAMAGED'],
  },
  {
    what: 'an empty database',
    plant: (at) => truncate(path.join(at, 'chroma.sqlite3'), 0),
    found: ['critical DATABASE_UNREADABLE'],
  },
  {
    what: 'pages of the database are overwritten',
    plant: async (at) => {
      const file = path.join(at, 'chroma.sqlite3')
      const bytes = await readFile(file)
      bytes.fill(0xa5, bytes.length - 3 * 4096)
      await writeFile(file, bytes)
    },
    found: ['critical DATABASE_DAMAGED'],
  },
  { what: 'a table is gone', plant: sql('DROP TABLE max_seq_id'), found: ['critical SCHEMA_MISSING'] },
  {
    what: 'a migration is missing in the middle',
    plant: sql("DELETE FROM migrations WHERE dir = 'sysdb' AND version = 4"),
    found: ['critical SCHEMA_INCONSISTENT'],
  },
  {
    what: 'a migration does not match its hash',
    plant: sql("UPDATE migrations SET hash = 'abc' WHERE dir = 'metadb' AND version = 1"),
    found: ['critical SCHEMA_INCONSISTENT'],
  },
  {
    what: 'a migration from the future',
    plant: sql(
      "INSERT INTO migrations SELECT dir, 11, '00011-later.sqlite.sql', sql, hash FROM migrations WHERE dir = 'sysdb' AND version = 10",
    ),
    found: ['warning SCHEMA_UNKNOWN'],
  },
  {
    what: 'somebody’s notes',
    plant: (at) => writeFile(path.join(at, 'notes.txt'), 'x'),
    found: [],
    told: ['FOREIGN_FILES'],
  },
  // The index.
  {
    what: 'the folder of the index is gone',
    plant: inIndex('', (folder) => rm(folder, { recursive: true })),
    found: [`critical INDEX_MISSING ${saved}`, `critical VECTORS_LOST ${saved}`],
  },
  {
    what: 'index_metadata.pickle is gone',
    plant: inIndex('index_metadata.pickle', (file) => rm(file)),
    found: [`critical INDEX_MISSING ${saved}`, `critical VECTORS_LOST ${saved}`],
  },
  {
    what: 'index_metadata.pickle is cut off',
    plant: inIndex('index_metadata.pickle', (file) => truncate(file, 500)),
    found: [`critical INDEX_METADATA_DAMAGED ${saved}`],
  },
  {
    what: 'data_level0.bin is gone',
    plant: inIndex('data_level0.bin', (file) => rm(file)),
    found: [`critical INDEX_FILE_MISSING ${saved}`],
  },
  {
    what: 'length.bin is gone',
    plant: inIndex('length.bin', (file) => rm(file)),
    found: [`critical INDEX_FILE_MISSING ${saved}`],
  },
  {
    what: 'header.bin is cut off',
    plant: inIndex('header.bin', (file) => truncate(file, 60)),
    found: [`critical INDEX_HEADER_DAMAGED ${saved}`],
  },
  {
    what: 'data_level0.bin is cut off: elements are missing at its end',
    plant: inIndex('data_level0.bin', async (file) => truncate(file, 150 * ELEMENT + 77)),
    // Elements are in no certain order: one that is to be deleted may be among them.
    perhaps: `critical REPLAY_BLOCKED ${saved}`,
    found: [`critical INDEX_TORN ${saved}`, `critical VECTORS_LOST ${saved}`],
  },
  {
    what: 'the header counts elements that were never written',
    plant: inIndex('header.bin', async (file) => {
      const bytes = await readFile(file)
      bytes.writeBigUInt64LE(bytes.readBigUInt64LE(20) + 5n, 20)
      await writeFile(file, bytes)
      await appendFile(path.join(path.dirname(file), 'data_level0.bin'), Buffer.alloc(5 * ELEMENT))
    }),
    found: [`critical INDEX_TORN ${saved}`, `critical LINK_LISTS_DAMAGED ${saved}`],
  },
  {
    what: 'link_lists.bin is cut off',
    plant: inIndex('link_lists.bin', (file) => truncate(file, 400)),
    found: [`critical LINK_LISTS_DAMAGED ${saved}`],
  },
  {
    what: 'a size in link_lists.bin is impossible',
    plant: inIndex('link_lists.bin', async (file) => {
      const bytes = await readFile(file)
      bytes.writeUInt32LE(0xfffffff0, 0)
      await writeFile(file, bytes)
    }),
    found: [`critical LINK_LISTS_DAMAGED ${saved}`],
  },
  {
    what: 'link_lists.bin has grown, with holes',
    plant: inIndex('link_lists.bin', (file) => truncate(file, 40 * 1024 ** 3)),
    found: [`critical LINK_LISTS_BLOATED ${saved}`],
  },
  {
    what: 'the index is older than the log that was purged: a mixed copy',
    plant: sql(`UPDATE max_seq_id SET seq_id = seq_id + 3 WHERE segment_id = ${segmentOf('VECTOR')}`),
    found: [`critical VECTORS_LOST ${saved}`, `warning VECTORS_WITHOUT_RECORD ${saved}`],
  },
  {
    what: 'the index is newer than the database',
    plant: sql(
      `DELETE FROM embeddings WHERE segment_id = ${segmentOf('METADATA')} AND embedding_id IN ('id7', 'id8')`,
    ),
    found: [`warning VECTORS_WITHOUT_RECORD ${saved}`, 'warning ORPHAN_RECORDS'],
  },
  {
    what: 'vectors of another moment: the pickle is older than data_level0.bin',
    plant: inIndex('data_level0.bin', async (file) => {
      // The vector of id9 gets a number that nobody has.
      const bytes = await readFile(file)
      for (let at = ELEMENT - 8; at < bytes.length; at += ELEMENT)
        if (bytes.readBigUInt64LE(at) === 10n) bytes.writeBigUInt64LE(900n, at)
      await writeFile(file, bytes)
    }),
    found: [`critical VECTORS_LOST ${saved}`, `critical INDEX_LABELS_DIFFER ${saved}`],
  },
  {
    what: 'the pickle counts too few',
    plant: inIndex('index_metadata.pickle', async (file) => {
      const bytes = await readFile(file)
      const at = bytes.indexOf('total_elements_added') + 'total_elements_added'.length
      // BININT1 or BININT2 behind it, and perhaps a memo.
      const number = bytes.subarray(at).findIndex((byte) => byte === 0x4b || byte === 0x4d || byte === 0x4a)
      bytes[at + number + 1] = 1
      await writeFile(file, bytes)
    }),
    found: [`critical INDEX_LABELS_COLLIDE ${saved}`],
  },
  {
    what: 'vectors of another length',
    plant: sql("UPDATE collections SET dimension = 4 WHERE name = 'saved'"),
    found: [`critical DIMENSION_DIFFERS ${saved}`],
  },
  {
    what: 'a vector of NaN',
    plant: inIndex('data_level0.bin', async (file) => {
      const bytes = await readFile(file)
      bytes.writeFloatLE(Number.NaN, 20 * ELEMENT + 132)
      await writeFile(file, bytes)
    }),
    found: [`warning VECTORS_NOT_FINITE ${saved}`],
    deep: true,
  },
  {
    what: 'a deletion in the log that cannot be applied',
    plant: inIndex('data_level0.bin', async (file) => {
      const bytes = await readFile(file)
      // The vector of id9 is the tenth; elements are not in the order of their numbers.
      for (let at = 0; at < bytes.length; at += ELEMENT)
        if (bytes.readBigUInt64LE(at + ELEMENT - 8) === 10n) bytes[at + 2] = 1
      await writeFile(file, bytes)
      await changeDatabase(
        path.dirname(path.dirname(file)),
        `INSERT INTO embeddings_queue (operation, topic, id, metadata) VALUES (3, ${topicOf('saved')}, 'id9', '{}')`,
      )
    }),
    found: [`critical REPLAY_BLOCKED ${saved}`],
  },
]
