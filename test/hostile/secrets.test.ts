import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findProgram } from '../../src/util/find-program.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError, runCli, type CliOptions, type CliResult } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const CLIENT = { id: 'client-of-this-test', secret: 'GOCSPX-of-this-test' }

interface Machine {
  folder: string
  google: DriveEmulator
  run: (args: string[], options?: CliOptions) => Promise<CliResult>
}

/** A machine with a home of its own. Its `xdg-open` notes what it gets, and logs in. */
function onMachine(use: (machine: Machine) => Promise<void>): Promise<void> {
  return withDrive({}, google =>
    withFolder(async folder => {
      google.addClient(CLIENT)
      const bin = join(folder, 'bin')
      makeTree(folder, { home: { folder: true }, work: { folder: true } })
      mkdirSync(bin)
      const opener = join(bin, 'xdg-open')
      writeFileSync(
        opener,
        `#!${process.execPath}
const fs = require('node:fs'), page = new URL(process.argv[2])
const text = fs.readFileSync(page, 'utf8'), modes = [page, new URL('.', page)].map(each => (fs.statSync(each).mode & 0o777).toString(8))
fs.writeFileSync(${JSON.stringify(join(folder, 'seen.json'))}, JSON.stringify({ argv: process.argv.slice(2), env: process.env, text, modes }))
fetch(text.match(/href="([^"]*)"/)[1].replaceAll('&#38;', '&') + '&emulator_consent=approve')
`,
      )
      chmodSync(opener, 0o755)
      const run: Machine['run'] = (args, { env, ...options } = {}) =>
        runCli(args, {
          cwd: join(folder, 'work'),
          env: {
            HOME: join(folder, 'home'),
            PATH: [bin, process.env.PATH].join(delimiter),
            COLAB_ESCAPE_CONFIG: join(folder, 'config'),
            COLAB_ESCAPE_CACHE: join(folder, 'cache'),
            COLAB_ESCAPE_GOOGLE_ENDPOINT: google.url,
            ...env,
          },
          ...options,
        })
      await use({ folder, google, run })
    }),
  )
}

const SECRETS = {
  COLAB_ESCAPE_TOKEN: 'secret-1',
  COLAB_ESCAPE_CREDENTIALS: '{"secret": 2}',
  GOOGLE_APPLICATION_CREDENTIALS: '/secret-3',
  GOOGLE_CLIENT_ID: CLIENT.id,
  GOOGLE_CLIENT_SECRET: CLIENT.secret,
  CLOUDSDK_AUTH_ACCESS_TOKEN: 'secret-4',
  AWS_SECRET_ACCESS_KEY: 'secret-5',
  HTTPS_PROXY: '',
  NODE_OPTIONS: '--no-warnings',
}

describe('No program that is started gets a secret, and none is started from the current folder', () => {
  test('the browser: neither in its environment nor in its arguments, which others can see', () =>
    onMachine(async ({ folder, run }) => {
      const login = await run(['auth', 'login'], {
        env: SECRETS,
      })
      expect(login.code, login.stderr).toBe(0)
      const seen = JSON.parse(readFileSync(join(folder, 'seen.json'), 'utf8')) as {
        argv: string[]
        env: Record<string, string>
        text: string
        modes: string[]
      }
      expect(seen.argv).toEqual([expect.stringMatching(/^file:\/\/\/.*\/home\/colab-escape-login-\w+\/login\.html$/)])
      expect(seen.text).toContain('state=')
      expect(seen.modes).toEqual(['600', '700'])
      expect(Object.keys(seen.env).filter(name => /COLAB|GOOGLE|CLOUDSDK|AWS|TOKEN|SECRET|NODE|PROXY/.test(name))).toEqual([])
      expect(seen.env.HOME).toBe(join(folder, 'home'))
      expect(readdirSync(join(folder, 'home'))).toEqual([])
    }))

  test('a login that is stopped leaves no page', () =>
    onMachine(async ({ folder, run }) => {
      writeFileSync(join(folder, 'bin/xdg-open'), '#!/bin/sh\n')
      const kill = { signal: 'SIGINT' as const, when: (stdout: string) => stdout.includes('Opening your browser') }
      const { code } = await run(['auth', 'login', '--json'], {
        env: { GOOGLE_CLIENT_ID: CLIENT.id, GOOGLE_CLIENT_SECRET: CLIENT.secret },
        kill,
      })
      expect(code).toBe(130)
      expect(readdirSync(join(folder, 'home'))).toEqual([])
    }))

  test('programs of that name in the current folder, with a PATH that names it', () =>
    onMachine(async ({ folder, run }) => {
      const trap = { file: `#!/bin/sh\ntouch ${join(folder, 'sprung')}\n`, mode: 0o755 }
      makeTree(join(folder, 'work'), { 'xdg-open': trap, open: trap, node: trap, git: trap })
      const PATH = ['.', '', 'work', process.env.PATH, ''].join(delimiter)
      const stop = { signal: 'SIGINT' as const, when: (stdout: string) => stdout.includes('Opening your browser') }
      await run(['auth', 'login', '--json'], {
        env: { PATH, GOOGLE_CLIENT_ID: CLIENT.id, GOOGLE_CLIENT_SECRET: CLIENT.secret },
        kill: stop,
      })
      await run(['doctor', '--store', join(folder, 'store')], { env: { PATH } })
      expect(existsSync(join(folder, 'sprung'))).toBe(false)
      expect(findProgram('node', ['.', '', 'bin', '/nowhere'].join(delimiter))).toBeUndefined()
      expect(findProgram('xdg-open', ['.', join(folder, 'bin')].join(delimiter))).toBe(join(folder, 'bin/xdg-open'))
    }))
})

describe('A token can be given without other users seeing it, and is refused where they can', () => {
  test('--token - and --token-file', () =>
    onMachine(async ({ folder, google, run }) => {
      const { accessToken } = google.issueToken()
      const file = join(folder, 'token')
      writeFileSync(file, `${accessToken}\n`, { mode: 0o600 })
      for (const [args, input] of [
        [['--token', '-'], `${accessToken}\n`],
        [['--token', '-'], accessToken],
        [['--token-file', file], ''],
      ] as const) {
        const status = await run(['auth', 'status', ...args, '--verbose'], { input })
        expect(status.code, status.stderr).toBe(0)
      }
    }))

  test('files that others can read or change, that are links to such, no files, or too large', () =>
    onMachine(async ({ folder, google, run }) => {
      const { accessToken } = google.issueToken()
      makeTree(folder, { open: { file: accessToken, mode: 0o644 }, link: { link: 'open' }, writable: { file: accessToken, mode: 0o622 } })
      makeTree(folder, { large: { file: 'x'.repeat(20_000), mode: 0o600 }, empty: { file: '\n', mode: 0o600 } })
      for (const [name, why] of [
        ['open', /^error: Others can read the token: .* has mode 644\.$/m],
        ['link', /^error: Others can read the token/m],
        ['writable', /other users can change it/],
        ['large', /larger than 16384 bytes/],
        ['empty', /There is no token in/],
        ['nowhere', /no such file/],
        ['home', /it is a folder/],
      ] as const)
        expectError(await run(['auth', 'status', '--token-file', join(folder, name)]), 4, why)
      expectError(await run(['auth', 'status', '--token-file', '/dev/zero']), 4, /not a regular file/)
    }))

  test('a standard input that is empty, endless or no token, and both options at once', () =>
    onMachine(async ({ run }) => {
      expectError(await run(['auth', 'status', '--token', '-'], { input: '' }), 4, /There is no token in standard input/)
      const zeros = await run(['auth', 'status', '--token', '-'], { input: Buffer.alloc(3_000_000) })
      expectError(zeros, 4, /access token is not valid/)
      expectError(await run(['auth', 'status', '--token', 'x', '--token-file', 'x']), 2, /both given/)
    }))
})
