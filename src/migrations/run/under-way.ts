import { MigrationUndecidedError } from './errors.js'

/**
 * What `choose` gives; null: something was begun and is not finished. Another run may be at it: whoever waits for its
 * lock knows more.
 */
export async function unlessUnderWay<T>(choose: () => Promise<T> | T): Promise<T | null> {
  try {
    return await choose()
  } catch (error) {
    if (error instanceof MigrationUndecidedError) return null
    throw error
  }
}
