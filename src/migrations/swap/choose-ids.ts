import type { Ledger } from './ledger.js'

/** Ids of records that are in the target, spread evenly; fewer when there are fewer. */
export async function chooseIds(ledger: Ledger, count: number): Promise<readonly string[]> {
  const chosen: string[] = []
  for (let part = 0; part < ledger.parts; part++) {
    const copied = [...(await ledger.read(part))].filter(([, entry]) => entry.target !== null)
    const share = Math.ceil((count - chosen.length) / (ledger.parts - part))
    const step = Math.max(1, Math.floor(copied.length / Math.max(1, share)))
    for (let at = 0, taken = 0; at < copied.length && taken < share; at += step, taken++) {
      const id = copied[at]?.[0]
      if (id !== undefined) chosen.push(id)
    }
  }
  return chosen
}
