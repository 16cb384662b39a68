import type { Metadata } from '../core/metadata.js'
import { SHADOW_KEY } from '../core/shadow-key.js'

export { SHADOW_KEY } from '../core/shadow-key.js'

/** Whether a collection is one that chroma-ops is still building. */
export function isShadow({ metadata }: { readonly metadata: Metadata | null }): boolean {
  return metadata?.has(SHADOW_KEY) ?? false
}
