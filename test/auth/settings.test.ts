import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { readSettings } from '../../src/settings.ts'
import { withFolder } from '../helpers/folders.ts'

const NAMES = ['COLAB_ESCAPE_GOOGLE_ENDPOINT', 'COLAB_ESCAPE_CONFIG', 'TBE_EPHEM_CREDS_ADDR', 'USE_AUTH_EPHEM', 'GOOGLE_CLIENT_ID']
NAMES.push('TERM', 'CI', 'NO_COLOR')
NAMES.push('HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy')

/** The settings in a folder with that `.env` file, and nothing in the environment but `env`. */
function settingsIn(env: Record<string, string>, envFile = '', options: Parameters<typeof readSettings>[0] = {}) {
  return withFolder(async folder => {
    await writeFile(join(folder, '.env'), envFile)
    for (const name of NAMES) vi.stubEnv(name, env[name])
    const before = process.cwd()
    process.chdir(folder)
    try {
      return readSettings(options)
    } finally {
      process.chdir(before)
    }
  })
}

afterEach(() => void vi.unstubAllEnvs())

test('an endpoint for tests is on this machine, or refused', async () => {
  for (const endpoint of ['http://127.0.0.1:8400', 'http://localhost:8400', 'http://[::1]:8400', 'https://127.1.2.3:8400'])
    expect((await settingsIn({ COLAB_ESCAPE_GOOGLE_ENDPOINT: `${endpoint}/` })).google.endpoint).toBe(endpoint)
  const strange = [
    'https://evil.example',
    'http://127.0.0.1@evil.example',
    'http://127.0.0.1.evil.example:80',
    'ftp://127.0.0.1',
    'nonsense',
  ]
  for (const endpoint of strange)
    await expect(settingsIn({ COLAB_ESCAPE_GOOGLE_ENDPOINT: endpoint })).rejects.toThrow('COLAB_ESCAPE_GOOGLE_ENDPOINT is not')
})

test('a file that is named gives clients, but no addresses that tokens would go to or come from', async () => {
  const file = [
    'GOOGLE_CLIENT_ID=mine',
    'COLAB_ESCAPE_GOOGLE_ENDPOINT=https://evil.example',
    'TBE_EPHEM_CREDS_ADDR=evil.example:80',
    'HTTPS_PROXY=http://evil.example',
  ]
  const { google, proxy } = await settingsIn({}, file.join('\n'), { settingsFile: '.env' })
  expect(google).toMatchObject({ clientId: 'mine', endpoint: undefined, colabBroker: undefined })
  expect(proxy).toEqual({ http: undefined, https: undefined, no: '' })
})

test("Colab's broker is a host and a port, is not used where credentials are in a file, and is never reached through a proxy", async () => {
  const TBE_EPHEM_CREDS_ADDR = '172.28.0.1:8009'
  const { google, proxy } = await settingsIn({ TBE_EPHEM_CREDS_ADDR, USE_AUTH_EPHEM: '1', HTTP_PROXY: 'http://p', NO_PROXY: 'a.example' })
  expect(google.colabBroker).toBe(TBE_EPHEM_CREDS_ADDR)
  expect(proxy).toEqual({ http: 'http://p', https: undefined, no: 'a.example,172.28.0.1:8009,metadata.google.internal' })
  expect((await settingsIn({ TBE_EPHEM_CREDS_ADDR, USE_AUTH_EPHEM: '0' })).google.colabBroker).toBeUndefined()
  for (const address of ['http://evil.example/', 'evil.example', 'a b:1', 'evil.example:80/path'])
    await expect(settingsIn({ TBE_EPHEM_CREDS_ADDR: address })).rejects.toThrow('TBE_EPHEM_CREDS_ADDR')
})

test('the saved login lies in the folder for settings', async () => {
  expect((await settingsIn({ COLAB_ESCAPE_CONFIG: '/somewhere' })).configFolder).toBe('/somewhere')
  expect((await settingsIn({})).configFolder).toMatch(/colab-escape/)
})

test('no line is drawn over and over on a dumb terminal, which gets no colour either, nor in the log of a build', async () => {
  const looks = async (env: Record<string, string>): Promise<boolean[]> => {
    const { redraws, colour } = await settingsIn(env)
    return [redraws, colour]
  }
  expect(await looks({ TERM: 'xterm-color' })).toEqual([true, true])
  expect(await looks({ TERM: 'xterm', CI: 'false', NO_COLOR: '1' })).toEqual([true, false])
  expect(await looks({ TERM: 'dumb' })).toEqual([false, false])
  expect(await looks({ TERM: 'xterm-256color', CI: 'true' })).toEqual([false, true])
})
