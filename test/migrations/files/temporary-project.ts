import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A folder of a user's project, with files by their names below it. */
export interface TemporaryProject {
  readonly root: string
  /** `<root>/migrations`. */
  readonly dir: string
  write(files: Readonly<Record<string, string>>): Promise<void>
  dispose(): Promise<void>
}

export async function temporaryProject(
  files: Readonly<Record<string, string>> = {},
): Promise<TemporaryProject> {
  const root = await mkdtemp(path.join(tmpdir(), 'chroma-ops-files-'))
  const project = {
    root,
    dir: path.join(root, 'migrations'),
    write: async (more: Readonly<Record<string, string>>) => {
      for (const [name, text] of Object.entries(more)) {
        const file = path.join(root, name)
        await mkdir(path.dirname(file), { recursive: true })
        await writeFile(file, text)
      }
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  }
  await project.write(files)
  return project
}
