import type { AsyncBuffer, ColumnMetaData, Compressors, DataReader, FileMetaData, RowGroup } from 'hyparquet'

/** What of a page decides how long a reader works on it. */
interface Levels {
  readonly repetition: number
  readonly definition: number
}

/**
 * Looks at a row group before it is read. Its lengths are believed by the reader, and a damaged one would keep it busy
 * for hours, or let it take all memory: the values of pages must be those that the footer tells, and runs of levels and
 * of indexes must end with their page. (Parquet format: `Encodings.md`, run length encoding; `parquet.thrift`.)
 *
 * Throws an Error that says which column is damaged.
 */
export async function checkPages(
  file: AsyncBuffer,
  { schema }: FileMetaData,
  group: RowGroup,
  compressors: Compressors,
): Promise<void> {
  const { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath } =
    await import('hyparquet/src/schema.js')
  for (const { meta_data: column } of group.columns) {
    if (column === undefined) throw new Error('a column has no metadata')
    const schemaPath = getSchemaPath(schema, column.path_in_schema)
    const levels = {
      repetition: getMaxRepetitionLevel(schemaPath),
      definition: getMaxDefinitionLevel(schemaPath),
    }
    const name = column.path_in_schema[0] ?? ''
    if (levels.repetition === 0 && column.num_values !== group.num_rows)
      throw new Error(`column ${name} has ${column.num_values} values for ${group.num_rows} rows`)
    const view = new DataView(await chunkOf(file, column, name))
    await checkColumn(name, { view, offset: 0 }, column, levels, compressors)
  }
}

async function chunkOf(file: AsyncBuffer, column: ColumnMetaData, name: string): Promise<ArrayBuffer> {
  const { dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size } = column
  const start = Number(dictionary === undefined || dictionary === 0n || dictionary > data ? data : dictionary)
  const end = start + Number(size)
  if (start < 0 || end < start || end > file.byteLength)
    throw new Error(`column ${name} lies beyond the file`)
  return file.slice(start, end)
}

async function checkColumn(
  name: string,
  reader: DataReader,
  column: ColumnMetaData,
  levels: Levels,
  compressors: Compressors,
): Promise<void> {
  const { parquetHeader } = await import('hyparquet/src/column.js')
  const { decompressPage } = await import('hyparquet/src/datapage.js')
  const refuse = (what: string): never => {
    throw new Error(`column ${name} is damaged: ${what}`)
  }
  let left = Number(column.num_values)
  while (left > 0 && reader.offset < reader.view.byteLength - 1) {
    const page = parquetHeader(reader)
    const { compressed_page_size: stored, uncompressed_page_size: length } = page
    if (!isCount(stored, reader.view.byteLength - reader.offset)) refuse('a page is longer than it')
    if (!isCount(length, 2 ** 31)) refuse('a page has no length')
    const bytes = new Uint8Array(reader.view.buffer, reader.view.byteOffset + reader.offset, stored)
    reader.offset += stored
    const unpacked = () => decompressPage(bytes, length, column.codec, compressors)
    const { data_page_header: first, data_page_header_v2: second, dictionary_page_header: dictionary } = page
    if (dictionary !== undefined && !isCount(dictionary.num_values, length * 8)) refuse('its dictionary')
    const data = first ?? second
    if (data === undefined) continue
    const { num_values: values, encoding } = data
    if (!isCount(values, left)) refuse(`a page has ${values} of ${left} values`)
    left -= values
    const isIndexed = encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY'
    if (first !== undefined) checkPage(new Runs(unpacked()), values, levels, isIndexed)
    else if (second !== undefined) {
      const { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition } = second
      if (!isCount(repetition, stored) || !isCount(definition, stored - repetition)) refuse('its levels')
      new Runs(bytes.subarray(0, repetition)).walk(levels.repetition, values)
      new Runs(bytes.subarray(repetition, repetition + definition)).walk(levels.definition, values)
      if (!isIndexed) continue
      const rest = bytes.subarray(repetition + definition)
      const isPacked = second.is_compressed !== false
      const size = length - repetition - definition
      checkIndexes(new Runs(isPacked ? decompressPage(rest, size, column.codec, compressors) : rest), values)
    }
  }
}

function checkPage(runs: Runs, values: number, levels: Levels, isIndexed: boolean): void {
  for (const most of [levels.repetition, levels.definition]) if (most > 0) runs.part().walk(most, values)
  if (isIndexed) checkIndexes(runs, values)
}

/** One byte with the width of an index, and the indexes. */
function checkIndexes(runs: Runs, values: number): void {
  const width = runs.byte()
  if (width > 32) throw new Error(`indexes have ${width} bits`)
  if (width > 0) runs.walkBits(width, values, false)
}

/** Runs of values, either one value so many times, or values of so many bits side by side. */
class Runs {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new Error('a page ends too early')
    return byte
  }

  /** The next bytes, after their length. */
  part(): Runs {
    const length = this.byte() + this.byte() * 2 ** 8 + this.byte() * 2 ** 16 + this.byte() * 2 ** 24
    if (length > this.#bytes.length - this.#at) throw new Error('levels end behind their page')
    const part = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return new Runs(part)
  }

  /** Levels from 0 to `most`; none are stored when there is but one. */
  walk(most: number, values: number): void {
    if (most > 0) this.walkBits(Math.ceil(Math.log2(most + 1)), values, true)
  }

  /** `all`: there must be as many as that; else there may be fewer, for a null has none. */
  walkBits(width: number, values: number, all: boolean): void {
    let seen = 0
    while (seen < values && (all || this.#at < this.#bytes.length)) {
      const header = this.#varInt()
      const isPacked = header % 2 === 1
      const count = Math.floor(header / 2)
      const most = values - seen + (isPacked ? PADDING : 0)
      seen += isPacked ? count * 8 : count
      if ((isPacked ? count * 8 : count) > most) throw new Error('a run is longer than its page')
      this.#at += isPacked ? count * width : Math.ceil(width / 8)
    }
  }

  /** At most 32 bits. */
  #varInt(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 2 ** 7) {
      const byte = this.byte()
      value += (byte % 128) * factor
      if (byte < 128) return value
    }
    throw new Error('the length of a run is too long')
  }
}

/** Values that fill up the last groups of eight, which writers add. */
const PADDING = 512

function isCount(value: unknown, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most
}
