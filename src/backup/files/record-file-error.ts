import { IntegrityError, type ErrorDetails } from '../../core/errors.js'

/** A file with records is not what it must be; says where. */
export class RecordFileError extends IntegrityError {
  override readonly code = 'RECORD_FILE'
  readonly file: string
  /** Counted from 1: a line of JSON lines, a row of a Parquet file; null: the whole file. */
  readonly line: number | null

  constructor(file: string, line: number | null, message: string, details?: ErrorDetails) {
    super(`${file}${line === null ? '' : `:${line}`}: ${message}`, details)
    this.file = file
    this.line = line
  }
}
