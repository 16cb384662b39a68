import type { ChromaTransport, ServerOptions } from './transport.js'

/**
 * First contact: asks for a heartbeat and tells in seconds what is wrong, with a {@link ChromaUnavailableError},
 * {@link ChromaTlsError}, {@link ChromaAuthError}, {@link NotChromaError}, {@link V1OnlyError} or UsageError.
 */
export async function connectTransport(_options: ServerOptions): Promise<ChromaTransport> {
  throw new Error('being written')
}
