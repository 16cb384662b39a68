import { startChroma } from '../helpers/chroma-server.js'
import { LITTER_TENANTS } from '../helpers/littered-directory.js'
import { serverContents, type ServerContents } from '../helpers/server-contents.js'

/** What a real server says of a directory, with every vector. Nobody is to use the directory afterwards. */
export async function contentsOf(directory: string): Promise<ServerContents> {
  const server = await startChroma({ directory })
  try {
    return await serverContents(server.url, LITTER_TENANTS)
  } finally {
    await server.kill()
  }
}
