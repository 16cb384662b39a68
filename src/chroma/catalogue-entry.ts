/** One thing that is known to go wrong with Chroma, and what helps. */
export interface CatalogueEntry {
  /** Stable, machine-readable. */
  readonly finding: string
  /** Looked for in error texts and log lines. */
  readonly pattern: RegExp
  /** What has happened, one or two sentences. */
  readonly what: string
  /** What to do, imperative. */
  readonly advice: string
  /** What would make it worse. */
  readonly warning?: string
}
