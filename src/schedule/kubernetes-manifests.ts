import { slug } from './systemd-units.js'
import type { ScheduledTask } from './task.js'

export interface KubernetesJob {
  readonly tasks: readonly ScheduledTask[]
  readonly image: string
  /** Of the configuration file in the config map; null: there is none, and settings come from the secret. */
  readonly configName: string | null
  /** Flags of every command: which profile. */
  readonly flags: readonly string[]
}

/** A CronJob for each task, as YAML documents. Texts are quoted as JSON, which YAML reads. */
export function kubernetesManifests({ tasks, image, configName, flags }: KubernetesJob): string {
  return tasks.map((task) => cronJob(task, image, configName, flags)).join('---\n')
}

function cronJob(
  task: ScheduledTask,
  image: string,
  configName: string | null,
  flags: readonly string[],
): string {
  const config = configName === null ? [] : ['--config', `/etc/chroma-ops/${configName}`]
  const args = [...task.words, ...config, ...flags]
  return `apiVersion: batch/v1
kind: CronJob
metadata:
  name: ${JSON.stringify(`chroma-ops-${slug(task.profile)}-${task.kind}`.slice(0, 52))}
  labels: { app.kubernetes.io/name: chroma-ops }
spec:
  schedule: ${JSON.stringify(task.pattern)}
  timeZone: ${JSON.stringify(task.timezone)}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 43200
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 2
      # Only what may succeed later is tried again: locked, unreachable, timed out, or the pod was lost.
      podFailurePolicy:
        rules:
          - action: FailJob
            onExitCodes: { operator: In, values: [2, 3, 4, 10, 13, 14, 15, 16, 17] }
          - action: Ignore
            onPodConditions: [{ type: DisruptionTarget }]
      template:
        metadata:
          labels: { app.kubernetes.io/name: chroma-ops }
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 15
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001
            seccompProfile: { type: RuntimeDefault }
          containers:
            - name: chroma-ops
              image: ${JSON.stringify(image)}
              args: ${JSON.stringify(args)}
              env:
                - { name: CHROMA_OPS_LOG_FORMAT, value: json }
                - { name: CHROMA_OPS_STATE_DIR, value: /state }
                - { name: CHROMA_OPS_CACHE_DIR, value: /cache }
                - { name: CHROMA_OPS_ACTOR, value: ${JSON.stringify(`cronjob/chroma-ops-${slug(task.profile)}-${task.kind}`)} }
              envFrom:
                - secretRef: { name: chroma-ops, optional: true }
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: { drop: [ALL] }
              resources:
                requests: { cpu: 250m, memory: 256Mi }
                limits: { memory: 1Gi }
              volumeMounts:
                - { name: temp, mountPath: /tmp }
                - { name: state, mountPath: /state }
                - { name: cache, mountPath: /cache }
${configName === null ? '' : '                - { name: config, mountPath: /etc/chroma-ops, readOnly: true }\n'}          volumes:
            - { name: temp, emptyDir: {} }
            - { name: state, emptyDir: {} }
            - { name: cache, emptyDir: {} }
${configName === null ? '' : '            - { name: config, configMap: { name: chroma-ops } }\n'}`
}
