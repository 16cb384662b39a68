import { parseArgs } from 'node:util'

const HELP = `npm run bench -- [options]

  --sizes LIST          records x dimension, e.g. 20000x384,5000x1536 (the default)
  --rounds N            rounds of each comparison (default 5)
  --cores LIST          shared, pinned or both (default both); pinned: the server on core 0, the client on core 1
  --only LIST           of: read, write, verify, stores, encryption, memory, physical, directory, health,
                        start, retention, migrate, growth, incremental (default all but the last two)
  --growth LIST         record counts for growth (default 10000,50000,200000)
  --growth-dimension N  (default 128)
  --directory LIST      sizes for directory (default 100000x384)
  --health LIST         sizes for health, e.g. 200000x384, which is 1 GB (default 50000x384)
  --incremental LIST    sizes for incremental (default 200000x384)
  --migrate LIST        sizes for migrate (default 50000x384)
  --memory LIST         further sizes for memory, e.g. 1000000x32
  --s3-endpoint URL     an S3 server for stores instead of the one that comes with the tests;
                        bucket "bench" and credentials from the environment
  --out FILE            where the JSON goes (default bench/results/<time>.json)
`

const MEASUREMENTS = [
  'read',
  'write',
  'verify',
  'stores',
  'encryption',
  'memory',
  'physical',
  'directory',
  'health',
  'start',
  'retention',
  'migrate',
  'growth',
  'incremental',
]

/** Flags of the command line as numbers and lists; prints the help and ends when asked to. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      sizes: { type: 'string', default: '20000x384,5000x1536' },
      rounds: { type: 'string', default: '5' },
      cores: { type: 'string', default: 'both' },
      only: {
        type: 'string',
        default:
          'read,write,verify,stores,encryption,memory,physical,directory,health,start,retention,migrate',
      },
      growth: { type: 'string', default: '10000,50000,200000' },
      'growth-dimension': { type: 'string', default: '128' },
      directory: { type: 'string', default: '100000x384' },
      health: { type: 'string', default: '50000x384' },
      incremental: { type: 'string', default: '200000x384' },
      migrate: { type: 'string', default: '50000x384' },
      memory: { type: 'string', default: '' },
      's3-endpoint': { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    process.exit(0)
  }
  return {
    sizes: list(values.sizes).map(size),
    incremental: list(values.incremental).map(size),
    rounds: wholeNumber(values.rounds),
    cores: { both: ['shared', 'pinned'], shared: ['shared'], pinned: ['pinned'] }[
      oneOf(values.cores, ['both', 'shared', 'pinned'])
    ],
    only: list(values.only).map((name) => oneOf(name, MEASUREMENTS)),
    growth: list(values.growth).map(wholeNumber),
    growthDimension: wholeNumber(values['growth-dimension']),
    directory: list(values.directory).map(size),
    health: list(values.health).map(size),
    migrate: list(values.migrate).map(size),
    memory: list(values.memory).map(size),
    s3Endpoint: values['s3-endpoint'],
    out: values.out,
  }
}

function list(text) {
  return text.split(',').filter((part) => part !== '')
}

function size(text) {
  const [records, dimension] = text.split('x').map(wholeNumber)
  return { records, dimension, label: text }
}

function wholeNumber(text) {
  if (!/^[1-9]\d*$/.test(text ?? '')) throw new Error(`not a whole number: ${text}`)
  return Number(text)
}

function oneOf(text, words) {
  if (!words.includes(text)) throw new Error(`${text} is not one of ${words.join(', ')}`)
  return text
}
