import { BytePatterns, SHORTEST_PATTERN } from './byte-patterns.js'
import { textsThatStay } from './erase-rows.js'
import { searchFiles } from './search-files.js'
import type { Database } from './sqlite.js'

/** What the search of every byte of the directory has found. */
export interface ErasureProof {
  /** Nothing of the records was found, apart from what other records have too. */
  readonly clean: boolean
  readonly files: number
  /** Bytes that were searched. */
  readonly bytes: number
  /** Ids and pieces of text that were searched for. */
  readonly patterns: number
  /** Found in records that stay, so that finding them says nothing. */
  readonly shared: number
  /** Ids and texts too short to be searched for. */
  readonly tooShort: number
  readonly residues: readonly Residue[]
}

/** What is still there. */
export interface Residue {
  /** Relative to the directory. */
  readonly file: string
  /** Ids of erased records. */
  readonly ids: number
  /** Pieces of their texts. */
  readonly texts: number
}

/** Long texts are cut by the pages of SQLite: they are searched for in pieces of so many bytes. */
const PIECE_BYTES = 24
const SHORTEST_PIECE = 8
const PIECES_OF_A_TEXT = 64
const MOST_PATTERNS = 300_000

/** Gathers what is to be searched for, while it is still there. */
export class ErasedTexts {
  readonly #ids = new Set<string>()
  readonly #pieces = new Set<string>()
  #tooShort = 0

  addId(id: string): void {
    if (Buffer.byteLength(id) < SHORTEST_PATTERN) this.#tooShort++
    else this.#ids.add(id)
  }

  /** Pieces over the whole length of the text, without what JSON escapes. */
  addText(text: string): void {
    const pieces = [...piecesOf(text)]
    if (pieces.length === 0) this.#tooShort++
    const step = Math.max(1, pieces.length / PIECES_OF_A_TEXT)
    for (let at = 0; at < pieces.length && this.#pieces.size < MOST_PATTERNS; at += step)
      this.#pieces.add(pieces[Math.floor(at)] ?? '')
  }

  /** Searches every file below the directory. The database must be open nowhere for writing. */
  async prove(directory: string, database: Database, signal?: AbortSignal): Promise<ErasureProof> {
    const ids = [...this.#ids].map((id) => Buffer.from(id))
    const patterns = [...ids, ...[...this.#pieces].map((piece) => Buffer.from(piece, 'latin1'))]
    const search = new BytePatterns(patterns)
    const { files, bytes, hits } = await searchFiles(directory, search, signal)
    const shared = hits.length === 0 ? new Set<number>() : staying(database, search)
    const residues = new Map<string, { ids: number; texts: number }>()
    for (const { file, pattern } of hits) {
      if (shared.has(pattern)) continue
      const residue = residues.get(file) ?? { ids: 0, texts: 0 }
      residues.set(file, residue)
      if (pattern < ids.length) residue.ids++
      else residue.texts++
    }
    return {
      clean: residues.size === 0,
      files,
      bytes,
      patterns: patterns.length,
      shared: shared.size,
      tooShort: this.#tooShort,
      residues: [...residues].map(([file, counts]) => ({ file, ...counts })),
    }
  }
}

/** Patterns that occur in what stays. */
function staying(database: Database, search: BytePatterns): ReadonlySet<number> {
  const found = new Set<number>()
  for (const text of textsThatStay(database)) {
    const bytes = Buffer.from(text)
    search.search(bytes, bytes.length, (pattern) => found.add(pattern))
  }
  return found
}

/** Quotes, backslashes and control characters look otherwise in the log, which is JSON. */
const ESCAPED = new RegExp(String.raw`["\\\u0000-\u001f\u007f]+`)

/** As latin1 strings, one character for each byte, so that equal pieces are kept once. */
function* piecesOf(text: string): Generator<string> {
  for (const run of text.split(ESCAPED)) {
    const bytes = Buffer.from(run)
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES)
      if (piece.length >= SHORTEST_PIECE) yield piece.toString('latin1')
    }
  }
}
