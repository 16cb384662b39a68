import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext, type ConnectionOptions } from 'node:tls'

import { asError, UsageError } from '../core/errors.js'
import type { TlsOptions } from './transport.js'

/**
 * What Node's TLS needs to reach `host`. Throws UsageError for certificates and keys that are damaged or do
 * not belong together: found now, not as a puzzle during the handshake. Without a `ca` of its own the
 * authorities that Node knows hold, NODE_EXTRA_CA_CERTS among them.
 */
export function secureOptions(host: string, options: TlsOptions = {}): ConnectionOptions {
  const { ca, cert, key, serverName } = options
  if (ca !== undefined) checkCertificates('the file of authorities (--ca-file)', ca)
  if (cert !== undefined) checkCertificates('the client certificate (--cert-file)', cert)
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError('a client certificate needs its key, and a key its certificate', {
      hint: 'give both --cert-file and --key-file',
    })
  }
  const name = serverName ?? (isIP(host) === 0 ? host : undefined)
  return {
    ALPNProtocols: ['http/1.1'],
    secureContext: secureContext(options),
    ...(name === undefined ? {} : { servername: name }),
  }
}

function secureContext({ ca, cert, key }: TlsOptions) {
  try {
    return createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    })
  } catch (error) {
    // OpenSSL's texts name what is wrong, never the key itself.
    throw new UsageError(`client certificate and key do not work: ${asError(error).message}`, {
      hint: 'the key must be an unencrypted PEM file that belongs to the certificate',
    })
  }
}

/** createSecureContext takes a text without any certificate for an empty list and trusts nobody. */
function checkCertificates(what: string, pem: string): void {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g)
  if (blocks === null) {
    throw new UsageError(`${what} holds no certificate`, { hint: 'it must be a PEM file' })
  }
  for (const block of blocks) {
    try {
      new X509Certificate(block)
    } catch (error) {
      throw new UsageError(`${what} is damaged: ${asError(error).message}`, {
        hint: 'it must be a PEM file',
      })
    }
  }
}
