import { expect, test } from '@jest/globals'

import { startChroma } from '../helpers/chroma-server.js'
import { describeOldServer } from '../helpers/old-server.js'

const DATABASE = '/api/v2/tenants/default_tenant/databases/default_database'

describeOldServer('the embedded server', (binding) => {
  test('starts, keeps what it was given over a restart, and ends', async () => {
    const chroma = await startChroma({ binding })
    const created = await fetch(`${chroma.url}${DATABASE}/collections`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"kept"}',
    })
    expect(created.status).toBe(200)
    await chroma.restart()
    const count = await fetch(`${chroma.url}${DATABASE}/collections_count`)
    expect(await count.text()).toBe('1')
    await chroma.stop()
    await expect(fetch(chroma.url)).rejects.toThrow()
  })
})
