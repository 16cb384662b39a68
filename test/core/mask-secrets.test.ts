import { describe, expect, test } from '@jest/globals'

import { maskSecrets } from '../../src/core/mask-secrets.js'

describe('a secret is masked', () => {
  test.each([
    ['Incorrect API key provided: sk-proj-abcDEF123456', 'Incorrect API key provided: ***'],
    ['no entry for sk-proj-abcDEF123456 here', 'no entry for sk-*** here'],
    ['GET https://ada:s3cr3t@db.example/x failed', 'GET https://***@db.example/x failed'],
    ['postgres://ada:p@ss@db/x', 'postgres://***@db/x'],
    ['https://h/v1?model=m&api_key=abc123&n=1', 'https://h/v1?model=m&api_key=***&n=1'],
    ['https://h/o?X-Amz-Signature=0af1', 'https://h/o?X-Amz-Signature=***'],
    ['{"Authorization":"Bearer abcdef.ghijkl"}', '{"Authorization":"Bearer ***"}'],
    ['authorization: hunter2', 'authorization: ***'],
    ['COHERE_API_KEY=q7Zk91 is refused', 'COHERE_API_KEY=*** is refused'],
    ["{ apiKey: 'q7Zk91xx' }", "{ apiKey: '***' }"],
    ['password: hunter22', 'password: ***'],
    ['AKIAIOSFODNN7EXAMPLE', 'AKIA***'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def', '***'],
    ['refused 0123456789abcdef0123456789abcdef', 'refused ***'],
  ])('%s', (text, masked) => {
    expect(maskSecrets(text)).toBe(masked)
    expect(maskSecrets(masked)).toBe(masked)
  })
})

test.each([
  'docs: 12 records have no text',
  'collection 0b6c1a52-0a5e-4a39-9a2f-1a2b3c4d5e6f is gone',
  'customer_support_documents_2024_version_2 is taken',
  '/srv/app/migrations/00007_docs_to_cosine_with_new_model.ts:12:5',
  'connect ECONNREFUSED 127.0.0.1:8000',
  'http://127.0.0.1:8000/api/v2 answered 500',
  "Cannot read properties of undefined (reading 'token')",
  'Unexpected token < in JSON at position 0',
  'the key of record a is missing',
])('%s stays', (text) => {
  expect(maskSecrets(text)).toBe(text)
})
