import { IntegrityError } from '../../core/errors.js'
import { displayName, type CollectionName } from '../../core/records.js'

/** The copy is not what it must be. The collection itself is as it was. */
export class SwapVerificationError extends IntegrityError {
  override readonly code = 'MIGRATION_DIFFERS'

  constructor(source: CollectionName, shadow: CollectionName, difference: string) {
    super(
      `${displayName(source)} was copied, but ${difference}; it is as it was, the copy is ${shadow.name}`,
      {
        hint: 'try again with: chroma-ops migrate resume, or give up with: chroma-ops migrate abort',
      },
    )
  }
}
