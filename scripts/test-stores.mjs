/**
 * Runs the tests of stores against real servers of S3, and emulators of Azure and Google Cloud Storage, each fetched into .cache/stores and started here:
 * `npm run test:stores [-- name…]`. A server that this machine cannot have is skipped by name.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { BlobServiceClient } from '@azure/storage-blob'

// The SDK's note about Node 20 is not for the reader of this report.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

const cache = path.resolve(import.meta.dirname, '../.cache/stores')
const bucket = 'chroma-ops-test'
/** The account that Azurite has built in; its key is published. */
const azuriteKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
const credentials = { accessKeyId: 'test-key', secretAccessKey: 'test-secret' }

/** This machine cannot have the server. */
class Unavailable extends Error {}

/**
 * `prepare` returns the program to run or throws {@link Unavailable}. `deviations`: ends of the names of tests
 * that fail because of the server; docs/stores.md explains each.
 */
const servers = [
  {
    name: 'versitygw',
    version: 'v1.8.0',
    deviations: [],
    prepare: ({ version }) => goInstall('github.com/versity/versitygw/cmd/versitygw', version),
    start: (program, port, folder) =>
      serve(program, ['--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', 'posix', folder], {
        ROOT_ACCESS_KEY: credentials.accessKeyId,
        ROOT_SECRET_KEY: credentials.secretAccessKey,
      }),
  },
  {
    name: 'minio',
    version: 'v0.0.0-20260212201848-7aac2a2c5b7c',
    deviations: [],
    prepare: ({ version }) => goInstall('github.com/minio/minio', version),
    start: (program, port, folder) =>
      serve(program, ['server', '--address', `127.0.0.1:${port}`, folder], {
        MINIO_ROOT_USER: credentials.accessKeyId,
        MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
      }),
  },
  {
    name: 'moto',
    version: '5.2.5',
    // Its threads close each other's files: 500. With retries the test passes.
    deviations: ['put several writers of one key leave one whole value'],
    prepare: ({ version }) => pipInstall('moto', `moto[server]==${version}`, 'moto_server'),
    start: (program, port) => serve(program, ['-H', '127.0.0.1', '-p', String(port)]),
  },
  {
    name: 'azurite',
    version: '3.35.0',
    kind: 'azure',
    deviations: [],
    prepare: ({ version }) => npmInstall('azurite', version, 'azurite-blob'),
    // It refuses versions of the service that are newer than itself.
    start: (program, port, folder) =>
      serve(process.execPath, [
        program,
        ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', folder],
        ...['--silent', '--skipApiVersionCheck'],
      ]),
  },
  {
    name: 'fake-gcs-server',
    version: 'v1.56.1',
    kind: 'gcs',
    deviations: [],
    prepare: ({ version }) => goInstall('github.com/fsouza/fake-gcs-server', version),
    start: (program, port, folder) =>
      serve(program, [
        ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)],
        ...['-public-host', `127.0.0.1:${port}`, '-filesystem-root', folder, '-log-level', 'error'],
      ]),
  },
]

/** What differs between the kinds of services; most are S3. */
const kinds = {
  s3: {
    tests: 'test/storage/s3-real.test.ts',
    createBucket: createS3Bucket,
    environment: (endpoint) => ({
      CHROMA_OPS_TEST_S3_ENDPOINT: endpoint,
      CHROMA_OPS_TEST_S3_BUCKET: bucket,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: 'us-east-1',
    }),
  },
  azure: {
    tests: 'test/storage/azure-real.test.ts',
    createBucket: async (endpoint) => {
      const service = BlobServiceClient.fromConnectionString(azureConnection(endpoint), {
        retryOptions: { maxTries: 1 },
      })
      await service.getContainerClient(bucket).createIfNotExists()
    },
    environment: (endpoint) => ({
      CHROMA_OPS_TEST_AZURE_CONNECTION_STRING: azureConnection(endpoint),
      CHROMA_OPS_TEST_AZURE_CONTAINER: bucket,
    }),
  },
  gcs: {
    tests: 'test/storage/gcs-real.test.ts',
    createBucket: async (endpoint) => {
      const { status } = await fetch(`${endpoint}/storage/v1/b?project=test`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: bucket }),
      })
      if (status !== 200 && status !== 409) throw new Error(`HTTP ${status}`)
    },
    environment: (endpoint) => ({
      CHROMA_OPS_TEST_GCS_ENDPOINT: endpoint,
      CHROMA_OPS_TEST_GCS_BUCKET: bucket,
    }),
  },
}

function azureConnection(endpoint) {
  const account = 'devstoreaccount1'
  return `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${azuriteKey};BlobEndpoint=${endpoint}/${account}`
}

/** Its output goes nowhere: a pipe that nobody reads would stop it. */
function serve(program, args, environment = {}) {
  return spawn(program, args, { env: { ...process.env, ...environment }, stdio: 'ignore' })
}

function goInstall(module, version) {
  const folder = path.join(cache, `${path.basename(module)}-${version}`)
  const program = path.join(folder, path.basename(module))
  if (existsSync(program)) return program
  run('go', ['version'], 'there is no go')
  // One package at a time and with low priority: a large build must not starve the machine.
  run('nice', ['-n', '19', 'go', 'install', '-p', '1', `${module}@${version}`], 'go install failed', {
    GOBIN: folder,
  })
  return program
}

function npmInstall(name, version, script) {
  const folder = path.join(cache, `${name}-${version}`)
  const program = path.join(folder, 'node_modules/.bin', script)
  if (existsSync(program)) return program
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts']
  run('npm', ['install', '--prefix', folder, ...quiet, `${name}@${version}`], 'npm install failed')
  return program
}

function pipInstall(name, requirement, script) {
  const folder = path.join(cache, `${name}-venv`)
  const program = path.join(folder, 'bin', script)
  if (existsSync(program)) return program
  run('python3', ['-m', 'venv', folder], 'there is no python3 with venv')
  run(path.join(folder, 'bin/pip'), ['install', '--quiet', requirement], 'pip install failed')
  return program
}

function run(command, args, failure, environment = {}) {
  const { status, error, stderr } = spawnSync(command, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status === 0) return
  throw new Unavailable(`${failure}: ${(error?.message ?? stderr).trim().split('\n').at(-1)}`)
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function createS3Bucket(endpoint) {
  const client = new S3Client({
    endpoint,
    credentials,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
  })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
}

/** Waits until the server creates the bucket that the tests use. */
async function createBucket(create, endpoint, child) {
  let last
  for (let attempt = 0; attempt < 120; attempt++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
    try {
      await create(endpoint)
      return
    } catch (error) {
      last = error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
  throw new Error(`the server creates no bucket: ${last.message}`)
}

async function stop(child) {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(timer)
}

/** Names of the tests that passed and that failed. */
function runSuite({ tests, environment }, endpoint, report) {
  const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js']
  const { status, stderr } = spawnSync(
    process.execPath,
    [...jest, tests, '--json', `--outputFile=${report}`],
    {
      cwd: path.resolve(import.meta.dirname, '..'),
      env: { ...process.env, ...environment(endpoint) },
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: 10 * 60_000,
    },
  )
  if (!existsSync(report)) throw new Error(`the tests did not run (${status}): ${stderr}`)
  const results = JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap(
    (file) => file.assertionResults,
  )
  const named = (wanted) => results.filter((test) => test.status === wanted).map((test) => test.fullName)
  return { passed: named('passed'), failed: named('failed') }
}

/** Whether only those tests failed that are known to fail on this server. */
async function testServer(server) {
  const folder = mkdtempSync(path.join(tmpdir(), 'chroma-ops-stores-'))
  const data = path.join(folder, 'data')
  mkdirSync(data)
  const port = await freePort()
  let child
  try {
    child = server.start(server.prepare(server), port, data)
    const endpoint = `http://127.0.0.1:${port}`
    const kind = kinds[server.kind ?? 's3']
    await createBucket(kind.createBucket, endpoint, child)
    const { passed, failed } = runSuite(kind, endpoint, path.join(folder, 'report.json'))
    console.log(`${server.name} ${server.version}: ${passed.length} passed, ${failed.length} failed`)
    for (const name of failed) console.log(`  ${isKnown(server, name) ? 'known' : 'FAILED'}: ${name}`)
    return passed.length > 0 && failed.every((name) => isKnown(server, name))
  } finally {
    if (child !== undefined) await stop(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

function isKnown(server, test) {
  return server.deviations.some((deviation) => test.endsWith(deviation))
}

const wanted = process.argv.slice(2)
let isGood = true
for (const server of servers.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  try {
    isGood = (await testServer(server)) && isGood
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`${server.name}: skipped, ${error.message}`)
  }
}
process.exitCode = isGood ? 0 : 1
