import { validateHeaderName, validateHeaderValue } from 'node:http'

import { UsageError } from '../core/errors.js'
import type { ServerAddress } from './server-url.js'

/** Set by the transport itself. */
const RESERVED = ['host', 'content-length', 'transfer-encoding', 'connection', 'content-type', 'accept']

/**
 * The headers of every request: name, value, name, value. Throws UsageError for names and values that HTTP
 * does not allow; its message names the header, never its value.
 */
export function requestHeaders(server: ServerAddress, given: Readonly<Record<string, string>>): string[] {
  const headers = ['content-type', 'application/json', 'accept', 'application/json']
  const names = Object.keys(given).map((name) => name.toLowerCase())
  if (server.authorization !== null && !names.includes('authorization')) {
    headers.push('authorization', server.authorization)
  }
  if (!names.includes('user-agent')) headers.push('user-agent', 'chroma-ops')
  for (const [name, value] of Object.entries(given)) {
    check(name, value)
    headers.push(name, value)
  }
  return headers
}

function check(name: string, value: string): void {
  if (RESERVED.includes(name.toLowerCase())) {
    throw new UsageError(`the header ${name} cannot be set: it is part of the protocol`)
  }
  try {
    validateHeaderName(name)
  } catch {
    throw new UsageError(`not the name of an HTTP header: ${JSON.stringify(name)}`)
  }
  try {
    validateHeaderValue(name, value)
  } catch {
    throw new UsageError(`the value of the header ${name} has characters that HTTP does not allow`, {
      hint: 'often it is a line break at the end of a token file',
    })
  }
}
