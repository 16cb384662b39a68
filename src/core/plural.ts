/** `12,345`, the same in every locale. */
export function grouped(count: number): string {
  return String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 record`, `12,345 records`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** The verb that goes with {@link plural}. */
export function wasOrWere(count: number): 'was' | 'were' {
  return count === 1 ? 'was' : 'were'
}

/** The verb that goes with {@link plural}. */
export function isOrAre(count: number): 'is' | 'are' {
  return count === 1 ? 'is' : 'are'
}
