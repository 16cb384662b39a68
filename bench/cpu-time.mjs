import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Seconds of processor time of this process and of the server while `work` runs: what a run costs, however busy the
 * machine is otherwise. The server's are unknown (NaN) where there is no /proc.
 */
export async function withCpuTime(serverPid, work) {
  const serverBefore = secondsOf(serverPid)
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return { result, client: (user + system) / 1e6, server: secondsOf(serverPid) - serverBefore }
}

function secondsOf(pid) {
  if (process.platform !== 'linux') return NaN
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond()
}

let ticks
function ticksPerSecond() {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticks
}
