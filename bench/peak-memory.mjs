// Loaded into a real run of the command line (node --import): writes its peak resident memory, in bytes, to the file
// named in BENCH_PEAK_FILE when it ends.
import { writeFileSync } from 'node:fs'

process.once('exit', () => {
  writeFileSync(process.env.BENCH_PEAK_FILE, String(process.resourceUsage().maxRSS * 1024))
})
