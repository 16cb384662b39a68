import path from 'node:path'

import { Argument, Command } from 'commander'

import { UsageError } from '../core/errors.js'
import { shellWord } from '../core/shell-word.js'
import type { ScheduledTask } from '../schedule/task.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import type { Instance } from './profile-contexts.js'

interface Flags {
  readonly allProfiles?: boolean
  readonly command: string
  readonly image: string
}

export function schedulePrintCommand(launcher: Launcher): Command {
  const command = new Command('print')
    .description('print what another scheduler needs to run the same tasks')
    .addArgument(new Argument('<scheduler>', 'whose files to print').choices(['systemd', 'kubernetes']))
    .option('--all-profiles', 'every profile of the configuration file')
    .option('--command <path>', 'systemd: where chroma-ops is', '/usr/local/bin/chroma-ops')
    .option('--image <image>', 'kubernetes: the image that it is in', 'chroma-ops:latest')
  return act(command, launcher, async (context, scheduler) => {
    await print(context, scheduler === 'systemd' ? 'systemd' : 'kubernetes', command.opts<Flags>())
  })
}

async function print(
  context: CommandContext,
  scheduler: 'systemd' | 'kubernetes',
  flags: Flags,
): Promise<void> {
  const [{ openInstances }, { tasksOf }] = await Promise.all([
    import('./profile-contexts.js'),
    import('./schedule-tasks.js'),
  ])
  const instances = await openInstances(context, flags.allProfiles === true)
  const planned = instances.map((instance) => ({ instance, tasks: tasksOf(instance) }))
  if (planned.every(({ tasks }) => tasks.length === 0))
    throw new UsageError('the configuration enables no task')
  if (scheduler === 'systemd') await printSystemd(context, flags, planned)
  else await printKubernetes(context, flags, planned)
}

interface Planned {
  readonly instance: Instance
  readonly tasks: readonly ScheduledTask[]
}

async function printSystemd(context: CommandContext, { command }: Flags, planned: readonly Planned[]) {
  const { systemdUnits } = await import('../schedule/systemd-units.js')
  const units = planned.flatMap(({ instance, tasks }) => {
    const { file } = instance.context.settings
    const config = file === null ? [] : ['--config', file.path]
    return [...systemdUnits({ tasks, command, flags: [...config, ...profileWords(instance)] })]
  })
  const files = units.map(([name, text]) => ({ name, text }))
  context.output.result({ scheduler: 'systemd', files }, () =>
    files
      .map(({ name, text }) => `# /etc/systemd/system/${name}\n${text}`)
      .join('\n')
      .trimEnd(),
  )
}

async function printKubernetes(context: CommandContext, { image }: Flags, planned: readonly Planned[]) {
  const { kubernetesManifests } = await import('../schedule/kubernetes-manifests.js')
  const texts = planned.map(({ instance, tasks }) => {
    const { file } = instance.context.settings
    const configName = file === null ? null : path.basename(file.path)
    return kubernetesManifests({ tasks, image, configName, flags: profileWords(instance) })
  })
  const { file } = context.settings
  const heading =
    file === null
      ? ''
      : `# kubectl create configmap chroma-ops --from-file=${shellWord(file.path)}\n# Credentials: a secret "chroma-ops" whose keys are environment variables.\n`
  const text = heading + texts.join('---\n')
  context.output.result({ scheduler: 'kubernetes', files: [{ name: 'chroma-ops.yaml', text }] }, () =>
    text.trimEnd(),
  )
}

function profileWords({ profile }: Instance): readonly string[] {
  return profile === null ? [] : ['--profile', profile]
}
