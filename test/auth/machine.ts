import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { startDriveEmulator, type DriveEmulator, type EmulatorOptions } from '../drive-emulator/emulator.ts'
import { runCli, type CliOptions, type CliResult } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { CLIENT, SECRETS } from './world.ts'

export const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
export const CLIENT_FILE = { installed: { client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: ['http://localhost'] } }

export interface Machine {
  google: DriveEmulator
  loginFile: string
  in: (name: string) => string
  env: Record<string, string | undefined>
  /**
   * Runs `auth ...` with a folder of its own for settings. Only `export` may print a secret: that is checked each time.
   */
  auth: (args: string[], options?: CliOptions) => Promise<CliResult>
  /** A browser that goes where it is sent, with consent or without, and notes each page in the file `pages`. */
  withBrowser: (consent: 'approve' | 'deny') => Promise<Record<string, string>>
  logIn: (...options: string[]) => Promise<CliResult>
}

export function onMachine<T>(use: (machine: Machine) => Promise<T>, options: EmulatorOptions = {}): Promise<T> {
  return withFolder(async folder => {
    const google = await startDriveEmulator(options)
    const inside = (name: string): string => join(folder, name)
    const unset = ['TOKEN', 'CREDENTIALS'].map(name => `COLAB_ESCAPE_${name}`)
    unset.push('GOOGLE_APPLICATION_CREDENTIALS', 'GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET', 'TBE_EPHEM_CREDS_ADDR', 'USE_AUTH_EPHEM')
    unset.push('HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy')
    const env: Machine['env'] = {
      ...Object.fromEntries(unset.map(name => [name, undefined])),
      COLAB_ESCAPE_CONFIG: inside('config'),
      COLAB_ESCAPE_CACHE: inside('cache'),
      COLAB_ESCAPE_GOOGLE_ENDPOINT: google.url,
    }
    const auth: Machine['auth'] = async (args, { env: more, ...others } = {}) => {
      const run = await runCli(['auth', ...args], { cwd: folder, env: { ...env, ...more }, ...others })
      if (!(args[0] === 'export' && run.code === 0)) expect(run.stdout + run.stderr).not.toMatch(SECRETS)
      return run
    }
    const withBrowser: Machine['withBrowser'] = async consent => {
      await mkdir(inside('bin'), { recursive: true })
      const opener = inside(join('bin', process.platform === 'darwin' ? 'open' : 'xdg-open'))
      await writeFile(opener, browser(inside('pages'), consent))
      await chmod(opener, 0o755)
      return { PATH: [inside('bin'), process.env.PATH].join(delimiter) }
    }
    const logIn: Machine['logIn'] = async (...options) => {
      await writeFile(inside('client.json'), JSON.stringify(CLIENT_FILE))
      const run = await auth(['login', '--client-secret-file', 'client.json', '--verbose', ...options], {
        env: await withBrowser('approve'),
      })
      expect(run.code, run.stderr).toBe(0)
      return run
    }
    try {
      return await use({ google, loginFile: inside(join('config', 'login.json')), in: inside, env, auth, withBrowser, logIn })
    } finally {
      await google.close()
    }
  })
}

function browser(pages: string, consent: string): string {
  return `#!/usr/bin/env node
const { appendFileSync, readFileSync } = require('node:fs')
const target = process.argv[2]
appendFileSync(${JSON.stringify(pages)}, target + '\\n')
if (target.startsWith('file:')) {
  const url = readFileSync(new URL(target), 'utf8').match(/href="([^"]*)"/)[1].replaceAll('&#38;', '&')
  fetch(url + '&emulator_consent=${consent}').then(page => page.text())
}
`
}
