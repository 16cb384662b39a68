import type { ChromaApi } from '../chroma/api.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { directories } from '../config/directories.js'
import { sourceText } from '../config/setting.js'
import type { Settings } from '../config/settings.js'
import { resolveTenants } from '../config/tenants.js'
import { UsageError } from '../core/errors.js'
import type { ExitCode } from '../core/exit-code.js'
import type { Output } from '../output/output.js'
import type { CommandContext, Scope } from './context.js'
import { ReadOnlyError } from './errors.js'
import type { Host } from './host.js'

export interface ContextParts {
  readonly host: Host
  readonly settings: Settings
  readonly output: Output
  readonly signal: AbortSignal
  readonly finish: (code: ExitCode) => void
  readonly onClose: (close: () => Promise<void>) => void
}

const DEFAULT_TENANT = 'default_tenant'

export function createContext(parts: ContextParts): CommandContext {
  const { host, settings, onClose, output } = parts
  const { environment, home, systemTemp } = host
  const folders = directories({ settings, environment, home, systemTemp })
  const uid = host.uid === null ? 'unknown' : `uid:${host.uid}`
  return {
    ...parts,
    directories: folders,
    actor: settings.value(catalogue.actor) ?? uid,
    async serverOptions(url) {
      const { serverOptions } = await import('./open-server.js')
      return serverOptions(parts, url)
    },
    async openServer(url, pool): Promise<ChromaApi> {
      const [{ openServer }, { trafficText }] = await Promise.all([
        import('./open-server.js'),
        import('./network.js'),
      ])
      const api = await openServer(parts, url, pool)
      onClose(async () => {
        output.detail(trafficText(api.transport.stats))
        await api.transport.close()
      })
      return api
    },
    async scope(): Promise<Scope> {
      const tenants = await resolveTenants(settings)
      const databases = settings.value(catalogue.database)
      if (tenants.length === 0 && isCloud(settings)) {
        throw new UsageError('--cloud needs to know the tenant', {
          hint: 'name it with --tenant or CHROMA_TENANT',
        })
      }
      return {
        tenants: tenants.length === 0 ? [DEFAULT_TENANT] : tenants,
        databases: databases.length === 0 ? undefined : databases,
      }
    },
    async openRepositoryStore(url) {
      const { openRepositoryStore } = await import('./open-repository-store.js')
      const store = await openRepositoryStore(parts, url)
      onClose(() => store.close())
      return store
    },
    async tempDir() {
      const folder = await folders.temp()
      if (folder !== null) return folder
      throw new UsageError(`cannot write to ${systemTemp}`, { hint: 'name a folder with --temp-dir' })
    },
    changes(what: string) {
      if (!settings.value(catalogue.readOnly)) return
      throw new ReadOnlyError(what, sourceText(settings.source(catalogue.readOnly)))
    },
  }
}
