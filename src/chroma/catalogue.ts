export type FindingCode = string

export interface CatalogueEntry {
  readonly finding: FindingCode
  readonly advice: string
}

export function findEntry(_text: string, _finding?: FindingCode): CatalogueEntry | undefined {
  return undefined
}
