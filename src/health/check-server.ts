import type { ChromaApi } from '../chroma/api.js'
import type { ServerFingerprint } from '../chroma/fingerprint.js'
import { OpsError } from '../core/errors.js'
import { codeOf, explainCommand, hintOf, rootError, serverFinding } from './findings.js'
import type { HealthFinding } from './report.js'

/** The server cannot be used at all: nobody answers, or not a Chroma, or it does not let us in. */
export function unreachable(error: OpsError): HealthFinding {
  const root = rootError(error)
  return serverFinding({
    id: codeOf(root) ?? 'SERVER_UNREACHABLE',
    severity: 'critical',
    evidence: root.message,
    consequence: 'No data can be read or written.',
    advice: hintOf(root) ?? 'check that the server runs, and that host, port and path of the URL are right',
    command: explainCommand(root),
  })
}

/** The deadline came before the server had answered. */
export function silent(url: string, deadlineMs: number): HealthFinding {
  return serverFinding({
    id: 'SERVER_TIMEOUT',
    severity: 'critical',
    evidence: `${url} did not answer within ${deadlineMs / 1000} s`,
    consequence: 'No data can be read or written.',
    advice:
      'look at the load of the server and at the network between; one silent moment is no reason to restart',
    command: null,
  })
}

export interface ServerFacts {
  readonly fingerprint: ServerFingerprint | null
  readonly maxBatchSize: number | null
  readonly findings: readonly HealthFinding[]
}

/** What the server says of itself. None of it proves that data can be read. */
export async function checkServer(api: ChromaApi, signal: AbortSignal): Promise<ServerFacts> {
  const findings: HealthFinding[] = []
  const tolerate = async <T>(request: string, work: Promise<T>): Promise<T | null> => {
    try {
      return await work
    } catch (error) {
      if (signal.aborted || !(error instanceof OpsError)) throw error
      findings.push(unanswered(request, error))
      return null
    }
  }
  const own = await tolerate('healthcheck', api.healthcheck(signal))
  if (own !== null && !(own.executorReady && own.logClientReady)) findings.push(notReady(own))
  const preFlight = await tolerate('pre-flight-checks', api.preFlight(signal))
  const fingerprint = await tolerate('openapi.json', api.fingerprint(signal))
  return { fingerprint, maxBatchSize: preFlight?.maxBatchSize ?? null, findings }
}

function notReady(own: { executorReady: boolean; logClientReady: boolean }): HealthFinding {
  return serverFinding({
    id: 'SERVER_NOT_READY',
    severity: 'critical',
    evidence: `the server says of itself: executor ready ${own.executorReady}, log ready ${own.logClientReady}`,
    consequence: 'Reads or writes fail until the part that is missing has come up.',
    advice: 'wait for the start to end; if it does not, look at the log of the server',
    command: null,
  })
}

function unanswered(request: string, error: unknown): HealthFinding {
  const root = rootError(error)
  return serverFinding({
    id: 'SERVER_SILENT_ABOUT_ITSELF',
    severity: 'info',
    evidence: `${request}: ${root.message}`,
    consequence: 'Less is known of what this server can do; its data are not concerned.',
    advice: 'let the proxy before the server pass this path, if there is one',
    command: null,
  })
}
