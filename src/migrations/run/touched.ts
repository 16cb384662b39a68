import { touchedBy } from '../operations/step-facts.js'
import type { Step } from '../step.js'

/** Names of all collections that the steps read or write, sorted; null: code of one's own, which may touch any. */
export function touchedNames(steps: readonly { readonly step: Step }[]): readonly string[] | null {
  const names = new Set<string>()
  for (const { step } of steps) {
    const touched = touchedBy(step)
    if (touched === null) return null
    for (const name of [...touched.reads, ...touched.writes]) names.add(name)
  }
  return [...names].sort()
}

/** The same, without what code of one's own may have touched. */
export function namedCollections(steps: readonly { readonly step: Step }[]): readonly string[] {
  return touchedNames(steps.filter(({ step }) => touchedBy(step) !== null)) ?? []
}
