// The parts of chroma-ops that are measured, from dist/.
import { existsSync } from 'node:fs'

if (!existsSync(new URL('../dist/index.js', import.meta.url))) {
  throw new Error('dist/ is missing; run `npm run build` first')
}

export const library = await import('../dist/index.js')

/** Does nothing, like a program without a terminal that nobody watches. */
export const silent = { update: () => {}, warn: () => {} }
