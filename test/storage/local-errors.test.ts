import { expect, test } from '@jest/globals'

import { localError } from '../../src/storage/local-errors.js'

test.each([
  ['EACCES', 'open /backups', 'read there'],
  ['EACCES', 'read repo.json in /backups', 'read there'],
  ['EACCES', 'write /backups/repo.json', 'write there'],
  ['EPERM', 'delete /backups/probe/a', 'write there'],
  ['EROFS', 'open /backups', 'write there'],
])('%s on "%s" asks for the right to %s', (code, action, right) => {
  expect(localError(Object.assign(new Error('no'), { code }), action)).toMatchObject({
    exitCode: 14,
    hint: `let the user that runs chroma-ops ${right}`,
  })
})
