import { generateKeyPairSync } from 'node:crypto'
import { isIP } from 'node:net'

import forge from 'node-forge'

/** PEM texts. */
export interface CertificateAndKey {
  readonly cert: string
  readonly key: string
}

export interface TestAuthority {
  /** Its own certificate, PEM. */
  readonly ca: string
  /** A server certificate for names and addresses; `expired`: it ended yesterday. */
  server(names: readonly string[], options?: { readonly expired?: boolean }): CertificateAndKey
  client(name: string): CertificateAndKey
}

/** A certificate authority of this test alone. */
export function createAuthority(name = 'chroma-ops test authority'): TestAuthority {
  const keys = keyPair()
  const issuer = [{ name: 'commonName', value: name }]
  const signer = forge.pki.privateKeyFromPem(keys.key)
  const ca = certify({
    subject: issuer,
    issuer,
    publicKey: keys.publicKey,
    signer,
    days: [-2, 30],
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  // Making keys is slow: the servers of one authority share theirs.
  const serverKeys = keyPair()
  const issue = (own: KeyPair, commonName: string, days: readonly [number, number], extensions: object[]) => {
    const subject = [{ name: 'commonName', value: commonName }]
    const cert = certify({ subject, issuer, publicKey: own.publicKey, signer, days, extensions })
    return { cert, key: own.key }
  }
  return {
    ca,
    server: (names, { expired = false } = {}) =>
      issue(serverKeys, names[0] ?? 'server', expired ? [-2, -1] : [-1, 30], [
        { name: 'extKeyUsage', serverAuth: true },
        { name: 'subjectAltName', altNames: names.map(altName) },
      ]),
    client: (commonName) =>
      issue(keyPair(), commonName, [-1, 30], [{ name: 'extKeyUsage', clientAuth: true }]),
  }
}

interface CertificateJob {
  readonly subject: { name: string; value: string }[]
  readonly issuer: { name: string; value: string }[]
  readonly publicKey: string
  readonly signer: forge.pki.rsa.PrivateKey
  /** From and until, in days from now. */
  readonly days: readonly [number, number]
  readonly extensions: object[]
}

/** DER forbids zeros in front. */
let serial = 0x1000_0000

function certify({ subject, issuer, publicKey, signer, days, extensions }: CertificateJob): string {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  certificate.serialNumber = (serial++).toString(16)
  certificate.validity.notBefore = inDays(days[0])
  certificate.validity.notAfter = inDays(days[1])
  certificate.setSubject(subject)
  certificate.setIssuer(issuer)
  certificate.setExtensions(extensions)
  certificate.sign(signer, forge.md.sha256.create())
  return forge.pki.certificateToPem(certificate)
}

interface KeyPair {
  readonly key: string
  readonly publicKey: string
}

/** Node makes keys a hundred times faster than JavaScript. */
function keyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  return { key: privateKey, publicKey }
}

/** 2 is a DNS name, 7 an IP address (RFC 5280, 4.2.1.6). */
function altName(name: string): object {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name }
}

function inDays(days: number): Date {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000)
}
