/** A command of a ```console block, and what stands below it. */
export interface ConsoleCommand {
  readonly command: string
  readonly output: string
}

/** The commands of a document, in order. */
export function consoleCommands(markdown: string): readonly ConsoleCommand[] {
  const blocks = [...markdown.matchAll(/^```console\n(.*?)^```/gms)].map(([, text = '']) => text)
  return blocks.flatMap((block) =>
    `\n${block}`
      .split('\n$ ')
      .slice(1)
      .map((part) => {
        const [command = '', ...lines] = part.trimEnd().split('\n')
        return { command, output: lines.join('\n') }
      }),
  )
}

/** Text in which whatever differs from run to run is the same: times, sizes of pauses, random parts of names. */
export function masked(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME')
    .replaceAll(/\d{4}-\d\d-\d\d/g, 'DAY')
    .replaceAll(/\d+(\.\d+)? (ms|s)\b/g, 'DURATION')
    .replaceAll(/\d+ min DURATION/g, 'DURATION')
    .replaceAll(/\.(old|trash|migrate|new|back)-[0-9a-f]{8}/g, '.$1-HEX')
    .replaceAll(/uid:\d+/g, 'WHO')
    .replaceAll(/ {2,}/g, '  ')
    .trimEnd()
}
