import { EventEmitter } from 'node:events'

import { describe, expect, test } from '@jest/globals'

import { chromaLike, startHttpServer } from '../helpers/http-server.js'
import { Capture, runCli } from '../helpers/run-cli.js'
import { waitUntil } from '../helpers/wait-until.js'

describe('a server that repeats our secrets', () => {
  const token = 'tok-0123456789"quoted'
  const environment = { CHROMA_OPS_TOKEN: token, SECOND: 'second-secret' }

  test.each([
    ['health', []],
    ['health', ['--json']],
    ['backup', ['--repo', 'memory://secrets', '--init']],
    ['backup', ['--repo', 'memory://secrets', '--init', '--json', '--verbose', '--log-format', 'json']],
  ])('%s %j shows none of them', async (command, more) => {
    const server = await startHttpServer(
      chromaLike((request, response) => {
        const message = `denied: ${request.headers.authorization ?? ''} ${String(request.headers['x-second'])}`
        response.writeHead(400, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ error: 'InvalidArgumentError', message }))
      }),
    )
    try {
      const url = server.url.replace('//', '//someone:pass-word-9@')
      const args = [command, '--url', url, '--header', 'x-second: env:SECOND', ...more]
      const { stdout, stderr } = await runCli(args, { environment })
      const shown = stdout + stderr
      expect(shown).toContain('denied')
      for (const secret of [token, JSON.stringify(token).slice(1, -1), 'second-secret', 'pass-word-9']) {
        expect(shown).not.toContain(secret)
      }
    } finally {
      await server.close()
    }
  })
})

describe('an error that nobody caught', () => {
  test.each(['uncaughtException', 'unhandledRejection'])(
    '%s is one document, and its stack is on stderr',
    async (event) => {
      const server = await startHttpServer(() => {})
      const signals = new EventEmitter()
      const [stdout, stderr] = [new Capture(), new Capture()]
      try {
        const exited = new Promise<number>((exit) => {
          const args = ['health', '--url', server.url, '--deadline', '1m', '--json']
          void runCli(args, { signals, stdout, stderr, exit })
        })
        await waitUntil('it has connected', () => server.connections > 0)
        signals.emit(event, new TypeError('out of the blue'))
        expect(await exited).toBe(1)
        expect(JSON.parse(stdout.text)).toMatchObject({
          error: { code: 'INTERNAL', message: 'TypeError: out of the blue', exitCode: 1 },
        })
        expect(stderr.text).toContain('failures.test')
        signals.emit('SIGINT')
      } finally {
        await server.close()
      }
    },
  )
})
