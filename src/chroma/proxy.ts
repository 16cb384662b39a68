import { BlockList, isIP, isIPv6 } from 'node:net'

import { UsageError } from '../core/errors.js'
import { basicAuthorization, withoutCredentials, type ServerAddress } from './server-url.js'
import type { ProxyOptions } from './transport.js'

/** What is to be reached: a server or a store. */
export type Endpoint = Pick<ServerAddress, 'secure' | 'host' | 'port'>

/** A proxy that opens tunnels with CONNECT. */
export interface Proxy {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** Without credentials. */
  readonly displayUrl: string
  readonly authorization: string | null
}

/**
 * The proxy through which to reach a server, or null for the direct way: loopback addresses and whatever
 * `noProxy` names. Throws UsageError for a proxy that is no URL.
 */
export function proxyFor(server: Endpoint, options: ProxyOptions | undefined): Proxy | null {
  const value = (server.secure ? options?.httpsProxy : options?.httpProxy)?.trim() ?? ''
  if (value === '' || isLoopback(server.host)) return null
  if (bypasses(options?.noProxy ?? '', server)) return null
  return parseProxy(value)
}

function parseProxy(text: string): Proxy {
  const withScheme = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(withScheme) ? new URL(withScheme) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw new UsageError(`not the URL of a proxy: ${withoutCredentials(text)}`, {
      hint: 'write it like http://proxy.example.com:3128',
    })
  }
  const secure = url.protocol === 'https:'
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    displayUrl: url.origin,
    authorization: basicAuthorization(url),
  }
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  )
}

/** `noProxy` as other tools read it: names with their subdomains, addresses, CIDR blocks, `*`, ports. */
function bypasses(noProxy: string, { host, port }: Endpoint): boolean {
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || matches(entry.toLowerCase(), host.toLowerCase(), port))
}

function matches(entry: string, host: string, port: number): boolean {
  const block = /^(.+)\/(\d{1,3})$/.exec(entry)
  if (block?.[1] !== undefined) return inBlock(host, block[1], Number(block[2]))

  const withPort = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry)
  if (withPort !== null && Number(withPort[2]) !== port) return false
  const name = (withPort?.[1] ?? entry).replace(/^\[|\]$/g, '').replace(/^\*?\.?/, '')
  if (name === '') return false
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`))
}

function inBlock(host: string, network: string, bits: number): boolean {
  const family = isIP(host)
  if (family === 0 || family !== isIP(network) || bits > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, bits, isIPv6(network) ? 'ipv6' : 'ipv4')
  return list.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}
