import { UsageError } from '../core/errors.js'

/** Where a server is, taken apart. */
export interface ServerAddress {
  readonly secure: boolean
  /** Without brackets around an IPv6 address. */
  readonly host: string
  readonly port: number
  /** `http://host:port`. */
  readonly origin: string
  /** What stands before `/api/v2`: empty or `/prefix`. */
  readonly prefix: string
  /** Without credentials and without a slash at the end. */
  readonly displayUrl: string
  /** The `Authorization` header of `user:password@`; null when the URL has none. */
  readonly authorization: string | null
}

/** Throws UsageError; its message never repeats the user or the password. */
export function parseServerUrl(text: string): ServerAddress {
  const url = parse(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new UsageError(`not the URL of a server: ${withoutCredentials(text)}`, { hint: EXAMPLE })
  }
  if (url.search !== '' || url.hash !== '') {
    throw new UsageError(`the URL of a server has no ? and no #: ${withoutCredentials(text)}`, {
      hint: EXAMPLE,
    })
  }
  const secure = url.protocol === 'https:'
  // Copied from a browser or from another tool's settings, the API's own path is often part of it.
  const prefix = url.pathname.replace(/\/+$/, '').replace(/\/api\/v2$/, '')
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    origin: url.origin,
    prefix,
    displayUrl: `${url.origin}${prefix}`,
    authorization: basicAuthorization(url),
  }
}

/** `Basic …` for the credentials in a URL, else null. Throws UsageError when they are not percent-encoded. */
export function basicAuthorization(url: URL): string | null {
  if (url.username === '' && url.password === '') return null
  try {
    const plain = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    return `Basic ${Buffer.from(plain).toString('base64')}`
  } catch {
    // A URIError would repeat the password.
    throw new UsageError(`user or password in the URL of ${url.host} is not percent-encoded`)
  }
}

const EXAMPLE = 'write it like http://127.0.0.1:8000 or https://chroma.example.com/prefix'

function parse(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw new UsageError(`not a URL: ${withoutCredentials(text)}`, { hint: EXAMPLE })
  }
}

/** For messages about URLs that may not even parse. */
export function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@')
  if (at === -1) return text
  const start = text.indexOf('://')
  return `${start === -1 ? '' : text.slice(0, start + 3)}***@${text.slice(at + 1)}`
}
