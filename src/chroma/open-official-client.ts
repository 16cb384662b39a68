import { ChromaNotSupportedError } from './errors.js'
import type { OfficialClient } from './official-client.js'
import type { ServerOptions } from './transport.js'

/**
 * The official client for one database of the same server, with the same credentials. It knows no path prefix and
 * no certificates: rejects with a ChromaNotSupportedError (16) rather than talk to another server than is meant.
 */
export async function openOfficialClient(
  { url, headers = {}, tls = {} }: ServerOptions,
  { tenant, database }: { readonly tenant: string; readonly database: string },
): Promise<OfficialClient> {
  const address = new URL(url)
  if (address.pathname !== '/' && address.pathname !== '')
    throw unsupported(`a server behind the path ${address.pathname}`)
  if (Object.values(tls).some((text) => text !== undefined))
    throw unsupported('certificates of its own', 'name the authority with NODE_EXTRA_CA_CERTS')
  const ssl = address.protocol === 'https:'
  const { ChromaClient } = await import('chromadb')
  return new ChromaClient({
    host: address.hostname,
    port: address.port === '' ? (ssl ? 443 : 80) : Number(address.port),
    ssl,
    tenant,
    database,
    headers: { ...basic(address), ...headers },
  })
}

function basic({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function unsupported(what: string, hint?: string): ChromaNotSupportedError {
  return new ChromaNotSupportedError(`the official client of chromadb does not know ${what}`, {
    hint: hint ?? 'use the operations of m.collection() in place of m.client()',
  })
}
