import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe } from '@jest/globals'

/** A server of the line that does not know `schema`, `/indexing_status` and much else. */
const VERSION = '1.0.5'

/** The `.node` file of the old server, if `npm run test:servers` has fetched it. */
export function oldServerBinding(): string | undefined {
  const prefix = fileURLToPath(new URL(`../../.cache/servers/${VERSION}/`, import.meta.url))
  const platform = `${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`
  const folder = path.join(prefix, 'node_modules', `chromadb-js-bindings-${platform}`)
  return existsSync(folder) ? createRequire(import.meta.url).resolve(folder) : undefined
}

/**
 * A `describe` that is skipped, by name, where the old server is not there. Files that hold one are called
 * `old-server*.test.ts`, so that `npm run test:servers` finds them.
 */
export function describeOldServer(title: string, suite: (binding: string) => void): void {
  const binding = oldServerBinding()
  const name = `${title} (Chroma ${VERSION})`
  if (binding === undefined) {
    describe.skip(`${name}: needs npm run test:servers`, () => {
      suite('')
    })
  } else {
    describe(name, () => {
      suite(binding)
    })
  }
}
