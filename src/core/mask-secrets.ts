/**
 * A text of somebody else's, such as the message of an error, without what looks like a secret: passwords in
 * URLs, tokens of headers and queries, values that are called a key, a token or a password, and keys of the usual
 * shapes. What is masked becomes `***`. Names, ids and paths stay. A secret that looks like a word is not noticed.
 */
export function maskSecrets(text: string): string {
  return PATTERNS.reduce((masked, [pattern, replacement]) => masked.replaceAll(pattern, replacement), text)
}

const MASK = '***'

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // https://user:password@host
  [/\b([a-z][a-z\d+.-]{0,20}:\/\/)[^\s/?#"'<>]+@/gi, `$1${MASK}@`],
  // ?api_key=…&sig=…
  [
    /([?&](?:[\w-]{0,40}(?:key|token|secret|passw(?:or)?d|signature|credential)|sig|auth)=)[^\s&#"'<>]+/gi,
    `$1${MASK}`,
  ],
  // Authorization: Bearer …
  [/\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}/gi, `$1${MASK}`],
  [/\b(authorization["']?\s*[:=]\s*["']?)(?!(?:bearer|basic)\b)[^\s"',;}]+/gi, `$1${MASK}`],
  // OPENAI_API_KEY=…, "apiKey": "…", x-chroma-token: …
  [
    /\b([\w-]{0,40}(?:api[-_ ]?key|access[-_ ]?key|secret(?:[-_ ]?key)?|private[-_ ]?key|token|passw(?:or)?d|passphrase)["']?(?:\s*=\s*|\s*:\s*|\s+provided:\s*)["']?)(?!\*\*\*)(?=[^\s"',;}]{6})[^\s"',;}]+/gi,
    `$1${MASK}`,
  ],
  // The shapes that providers of models, clouds and code hosts give their keys.
  [/\b((?:sk|pk|rk|hf|gsk|xai|pa|ck|jina|nvapi|r8|gh[opsu]|github_pat|glpat)[-_])[\w*.-]{8,}/g, `$1${MASK}`],
  [/\b(AKIA|ASIA|AIza)[\w-]{12,}/g, `$1${MASK}`],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, MASK],
  // Letters and digits, as long as keys without a shape are; ids of collections have hyphens in them.
  [/\b(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{32,}\b/gi, MASK],
]
