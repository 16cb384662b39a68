import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Asked before anything is pinned: afterwards this process sees fewer. */
const CORES = availableParallelism()

/** Whether this machine can pin processes to cores. */
export function canPin() {
  return CORES >= 2 && spawnSync('taskset', ['--version']).status === 0
}

/**
 * `pinned`: the server on core 0, this process and the children it will start on core 1. `shared`: all on all.
 *
 * @param {'shared' | 'pinned'} cores
 * @param {number} serverPid
 */
export function arrangeCores(cores, serverPid) {
  const all = `0-${CORES - 1}`
  const [server, client] = cores === 'pinned' ? ['0', '1'] : [all, all]
  taskset(server, serverPid)
  taskset(client, process.pid)
}

function taskset(cpus, pid) {
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', cpus, String(pid)])
  if (status !== 0) throw new Error(`taskset: ${stderr}`)
}
