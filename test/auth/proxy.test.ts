import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AppError } from '../../src/util/errors.ts'
import { createFetch } from '../../src/util/http.ts'
import { makeCertificates } from '../drive-emulator/certificates.ts'
import { startConnectProxy } from '../drive-emulator/connect-proxy.ts'
import { startDriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError, runCli } from '../helpers/cli.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'

const NONE = { http: undefined, https: undefined, no: undefined }

test("without a proxy, or where none is wanted, it is Node's own fetch", () => {
  expect(createFetch(NONE)).toBe(fetch)
  expect(createFetch({ http: '', https: '', no: '' })).toBe(fetch)
  expect(createFetch({ ...NONE, https: 'http://proxy:3128', no: 'a.example, *' })).toBe(fetch)
})

test('what is no proxy is refused by the name of its variable, without its password', () => {
  for (const https of ['socks5://user:hunter2@proxy', 'http://user:hunter2@:x', 'http://', 'http://user:p%ZZ@proxy']) {
    const make = () => createFetch({ ...NONE, https })
    expect(make).toThrow(AppError)
    expect(make).toThrow(/^HTTPS_PROXY is not/)
  }
  expect(createFetch({ ...NONE, https: 'proxy.example:3128' })).not.toBe(fetch)
})

test('this machine and the hosts of NO_PROXY are reached directly', async () => {
  const google = await startDriveEmulator()
  const proxy = await startConnectProxy(0)
  try {
    const through = createFetch({ http: proxy.url, https: proxy.url, no: 'direct.invalid' })
    expect((await through(`${google.url}/drive/v3/about`)).status).toBe(403)
    await expect(through('https://direct.invalid/')).rejects.toThrow()
    expect(proxy.asked).toEqual([])
    await expect(through('https://proxied.invalid/')).rejects.toThrow()
    expect(proxy.asked).toEqual(['proxied.invalid:443'])
  } finally {
    await Promise.all([google.close(), proxy.close()])
  }
})

test('what a proxy refuses is told as its refusal, and without its password', async () => {
  const proxy = await startConnectProxy(0)
  try {
    const [, host] = proxy.url.split('//')
    const ask = (https: string) => rejection(createFetch({ ...NONE, https })('https://www.googleapis.com/'))
    proxy.refuse('407 Proxy Authentication Required')
    expect(await ask(`${proxy.url}/some/path`)).toMatchObject({
      code: 'denied',
      message: `The proxy ${host} asks for a login (HTTP 407).`,
      hint: expect.stringContaining('HTTPS_PROXY') as string,
    })
    expect(await ask(`http://user:hunter2@${host}`)).toMatchObject({ message: `The proxy ${host} does not accept the login (HTTP 407).` })
    proxy.refuse('403 Forbidden')
    expect(await ask(proxy.url)).toMatchObject({ code: 'unavailable', message: expect.stringContaining('HTTP 403') as string })
    await proxy.close()
    expect(await ask(proxy.url)).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`The proxy ${host} can't be`) as string,
    })
    expect(await ask('http://no-proxy.invalid:3128')).toMatchObject({
      message: expect.stringMatching(/^The proxy no-proxy\.invalid:3128 /) as string,
    })
  } finally {
    await proxy.close()
  }
})

/** Of Google's clock before that of this machine. */
const AHEAD_MS = 5 * 3_600_000

test("the program reaches Google's real addresses through HTTPS_PROXY, and says so where the proxy is not there", () =>
  withFolder(async folder => {
    const { authority, ...certificate } = await makeCertificates()
    const google = await startDriveEmulator({ certificate, surroundings: { now: () => Date.now() + AHEAD_MS } })
    const proxy = await startConnectProxy(google.securePort)
    try {
      const ca = join(folder, 'ca.pem')
      await writeFile(ca, authority)
      const { refreshToken } = google.issueToken()
      const credentials = {
        type: 'authorized_user',
        client_id: 'test-client.apps.googleusercontent.com',
        client_secret: 'test-client-secret',
        refresh_token: refreshToken,
      }
      const env = {
        COLAB_ESCAPE_CONFIG: folder,
        COLAB_ESCAPE_CREDENTIALS: JSON.stringify(credentials),
        COLAB_ESCAPE_TOKEN: undefined,
        COLAB_ESCAPE_GOOGLE_ENDPOINT: undefined,
        NODE_EXTRA_CA_CERTS: ca,
        HTTPS_PROXY: proxy.url,
        https_proxy: undefined,
        NO_PROXY: undefined,
        no_proxy: undefined,
      }
      const status = await runCli(['auth', 'status'], { cwd: folder, env })
      expect(status.code, status.stderr).toBe(0)
      expect(status.stdout).toContain('someone@example.com')
      expect(proxy.asked).toEqual(['oauth2.googleapis.com:443', 'www.googleapis.com:443'])

      makeTree(join(folder, 'data'), { 'large.bin': seededNoise(1, 22_000_000), 'a.txt': 'small' })
      const store = { ...env, COLAB_ESCAPE_CACHE: join(folder, 'cache'), COLAB_ESCAPE_STORE: 'drive:' }
      for (const args of [
        ['push', 'data'],
        ['pull', 'data', 'copy'],
      ]) {
        const run = await runCli(args, { cwd: folder, env: store })
        expect(run.code, run.stderr).toBe(0)
      }
      expectSameTree(join(folder, 'copy'), join(folder, 'data'))
      expect(google.counts).toMatchObject({ 'upload.start': 1, 'upload.piece': 1 })
      expect(new Set(proxy.asked)).toEqual(new Set(['oauth2.googleapis.com:443', 'www.googleapis.com:443']))
      // by whose clock a listing is dated decides which packs still count
      const snapshot = [...google.files.values()].find(({ name }) => name.startsWith('snapshot-'))!
      const { listed } = JSON.parse(snapshot.content!.bytes.toString()) as { listed: number | string }
      expect(Math.abs(new Date(listed).getTime() - AHEAD_MS - Date.now())).toBeLessThan(AHEAD_MS / 5)

      const nobody = new URL(proxy.url)
      nobody.username = 'user'
      nobody.password = 'hunter2'
      await proxy.close()
      // half a minute of patience in little more than a second
      const sooner = `--import=${new URL('../drive/scaled-time.mjs?20', import.meta.url).href}`
      const gone = await runCli(['auth', 'status'], { cwd: folder, env: { ...env, HTTPS_PROXY: nobody.href, NODE_OPTIONS: sooner } })
      expect(expectError(gone, 1, /can't be reached/).hint).toContain('HTTPS_PROXY')
      expect(gone.stderr).not.toContain('hunter2')
    } finally {
      await Promise.all([google.close(), proxy.close()])
    }
  }))
