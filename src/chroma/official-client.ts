import type { ChromaClient } from 'chromadb'

/** The official client, for what this library does not have. */
export type OfficialClient = ChromaClient
