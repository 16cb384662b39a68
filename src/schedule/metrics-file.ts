import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { asError, OpsError } from '../core/errors.js'

/** The file for the textfile collector could not be written. */
export class MetricsFileError extends OpsError {
  override readonly code = 'METRICS_FILE'
}

/**
 * Replaces a file as a whole: whoever reads it sees the old text or the new one. The name of the draft does not end in
 * `.prom`, so that no collector reads it. Rejects with a {@link MetricsFileError}.
 */
export async function writeMetricsFile(file: string, text: string): Promise<void> {
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}`)
  try {
    await writeFile(draft, text, { mode: 0o644 })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw new MetricsFileError(`the metrics could not be written to ${file}: ${asError(error).message}`, {
      cause: error,
    })
  }
}
