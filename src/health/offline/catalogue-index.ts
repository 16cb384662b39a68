import { REBUILD, RESCUE, type CatalogueEntry } from './catalogue-entry.js'

/** The vector index of a collection, and whether every record has its vector. */
export const indexEntries = {
  VECTORS_LOST: {
    severity: 'critical',
    meaning: 'Records have no vector any more: neither the index nor the log holds one.',
    consequence:
      'Count and documents look well, but queries do not find these records, and reading their vectors fails ("Error finding id").',
    advice:
      'stop the server and restore the collection from a backup; vectors cannot be made from anything that is left except the documents',
    command: RESCUE,
  },
  VECTORS_WITHOUT_RECORD: {
    severity: 'warning',
    meaning: 'The index holds vectors of ids that are no records.',
    consequence: 'Queries spend hits on them and return fewer results than were asked for.',
    advice:
      'the index is newer than the database, as after a mixed copy: rebuild it, or restore both together',
    command: REBUILD,
  },
  INDEX_MISSING: {
    severity: 'critical',
    meaning: 'An index that was saved has no folder or no index_metadata.pickle any more.',
    consequence:
      'A server that opens the collection starts an empty index over it without a word and empties what is left of its files.',
    advice:
      'do not start a server on this directory; put the folder back, or rescue what is left from a copy',
    command: RESCUE,
  },
  INDEX_FILE_MISSING: {
    severity: 'critical',
    meaning: 'One of the four .bin files of an index is missing.',
    consequence: 'The collection cannot be loaded ("Error loading hnsw index"); writing to it fails as well.',
    advice: 'put the file back from a backup of the same moment, or rescue the records',
    command: RESCUE,
  },
  INDEX_METADATA_DAMAGED: {
    severity: 'critical',
    meaning: 'index_metadata.pickle, which says which vector belongs to which id, cannot be read.',
    consequence: 'The collection cannot be loaded ("Error deserializing pickle file").',
    advice: 'do not delete it: a server then starts an empty index over the vectors. Rescue the records',
    command: RESCUE,
  },
  INDEX_HEADER_DAMAGED: {
    severity: 'critical',
    meaning: 'header.bin of an index cannot be right.',
    consequence: 'The collection cannot be loaded, or the server crashes while loading it.',
    advice: 'restore the collection from a backup, or rescue the records',
    command: RESCUE,
  },
  INDEX_TORN: {
    severity: 'critical',
    meaning: 'The files of an index are shorter than its header says: the server was killed while saving.',
    consequence:
      'Chroma does not notice; it fills the gap with what happens to be in memory, and may crash or answer wrongly.',
    advice: 'stop the server; restore the collection from a backup, or rescue the records',
    command: RESCUE,
  },
  LINK_LISTS_DAMAGED: {
    severity: 'critical',
    meaning: 'link_lists.bin of an index is not a chain of link lists.',
    consequence: 'The server crashes (exit 139) or writes this file without bound until the disk is full.',
    advice: 'stop the server; the vectors are intact in data_level0.bin, so rebuild the index',
    command: REBUILD,
  },
  LINK_LISTS_BLOATED: {
    severity: 'critical',
    meaning: 'link_lists.bin of an index is far larger than its link lists.',
    consequence: 'It grows with every save until the disk is full; copies of the directory take all of it.',
    advice: 'stop the server; the vectors are intact in data_level0.bin, so rebuild the index',
    command: REBUILD,
  },
  INDEX_LABELS_DIFFER: {
    severity: 'critical',
    meaning: 'The vectors in data_level0.bin and the ids in index_metadata.pickle are of different moments.',
    consequence: 'A query that meets such a vector fails as a whole ("Error finding id").',
    advice: 'stop the server and rebuild the index',
    command: REBUILD,
  },
  INDEX_LABELS_COLLIDE: {
    severity: 'critical',
    meaning: 'index_metadata.pickle counts fewer vectors than it has given numbers to.',
    consequence: 'The next records overwrite the vectors of others. Some rebuild tools leave it like this.',
    advice: 'stop writing to the collection and rebuild its index',
    command: REBUILD,
  },
  DIMENSION_DIFFERS: {
    severity: 'critical',
    meaning: 'The vectors of the index have another length than the collection says.',
    consequence: 'The server reads across the ends of vectors: wrong results or a crash.',
    advice: 'the folder belongs to another collection: restore the collection from a backup',
    command: RESCUE,
  },
  VECTORS_NOT_FINITE: {
    severity: 'warning',
    meaning: 'Vectors contain NaN or infinity.',
    consequence: 'Their distances mean nothing; neighbours in the index are wrong as well.',
    advice: 'write these records again with proper vectors',
    command: null,
  },
  REPLAY_BLOCKED: {
    severity: 'critical',
    meaning: 'A row of the log cannot be applied to the index.',
    consequence:
      'The first use of the collection fails, and every further one ("Failed to apply logs to the hnsw segment writer").',
    advice: 'stop the server; rebuild the index, which applies what can be applied',
    command: REBUILD,
  },
  LOG_NOT_APPLIED: {
    severity: 'warning',
    meaning: 'Far more writes wait in the log than the server leaves there.',
    consequence: 'Every start reads them again; the component that applies them may have died.',
    advice: 'restart the server and look whether the number falls; if not, look at its log',
    command: null,
  },
  INDEX_CHANGING: {
    severity: 'info',
    meaning: 'An index was being saved each time it was read.',
    consequence: 'Nothing is known of it.',
    advice: 'check again when less is written, or check a backup',
    command: null,
  },
} as const satisfies Record<string, CatalogueEntry>
