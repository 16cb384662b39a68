/** Vectors by model and text, on disk, so that a repeated run does not pay twice. Bounded. */
export interface EmbeddingCache {
  /** Null where there is none; in the order of `texts`. */
  get(model: string, texts: readonly string[]): Promise<readonly (Float32Array | null)[]>
  put(model: string, texts: readonly string[], vectors: readonly Float32Array[]): Promise<void>
  close(): Promise<void>
}
