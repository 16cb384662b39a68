import { startFaultProxy, type Fault, type FaultProxy, type ProxiedRequest } from './fault-proxy.js'

/** A server that refuses to take or give more records at once, as Chroma Cloud does. */
export function startQuotaProxy(target: string, most: number): Promise<FaultProxy> {
  return startFaultProxy({ target, decide: (request) => quotaFault(request, most) })
}

function quotaFault({ method, path, body }: ProxiedRequest, most: number): Fault | undefined {
  const operation = /\/(get|add|upsert|update|delete)$/.exec(path)?.[1]
  if (method !== 'POST' || operation === undefined) return undefined
  const records = recordsIn(JSON.parse(body.toString('utf8')))
  if (records <= most) return undefined
  const message = `Quota exceeded: 'Number of records' exceeded quota limit for action '${operation}': current usage of ${records} exceeds limit of ${most}.`
  return { kind: 'status', status: 422, body: JSON.stringify({ error: 'ChromaError', message }) }
}

function recordsIn(request: unknown): number {
  if (typeof request !== 'object' || request === null) return Infinity
  if ('ids' in request && Array.isArray(request.ids)) return request.ids.length
  return 'limit' in request && typeof request.limit === 'number' ? request.limit : Infinity
}
