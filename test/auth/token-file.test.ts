import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keepAccess, readLogin, removeLogin, writeLogin, type SavedLogin } from '../../src/auth/token-file.ts'
import { AppError } from '../../src/util/errors.ts'
import { withFolder } from '../helpers/folders.ts'
import { failure } from './world.ts'

const POSIX = process.platform !== 'win32'

const LOGIN: SavedLogin = {
  type: 'user',
  client: { id: 'id', secret: 'test-client-secret' },
  refreshToken: '1//0refresh',
  scope: 'https://www.googleapis.com/auth/drive',
  account: 'someone@example.com',
  endsAt: Date.parse('2026-11-27T12:00:00Z'),
  access: { token: 'ya29.access', expiresAt: Date.parse('2026-11-20T13:00:00Z'), scope: 'https://www.googleapis.com/auth/drive' },
}

test('what was written is read, from a file and a folder that are closed to others', () =>
  withFolder(async folder => {
    const path = join(folder, 'deep', 'colab-escape', 'login.json')
    await writeLogin(path, LOGIN)
    expect(await readLogin(path)).toEqual(LOGIN)
    const bare = { ...LOGIN, client: { id: 'id', secret: undefined }, account: undefined, endsAt: undefined, access: undefined }
    await writeLogin(path, bare)
    expect(await readLogin(path)).toEqual(bare)
    if (POSIX) {
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect((await stat(join(folder, 'deep', 'colab-escape'))).mode & 0o777).toBe(0o700)
    }
    expect(await readdir(join(folder, 'deep', 'colab-escape'))).toEqual(['login.json'])
  }))

test('a missing file is no login; so is one in a folder that is missing', () =>
  withFolder(async folder => {
    expect(await readLogin(join(folder, 'login.json'))).toBeUndefined()
    expect(await readLogin(join(folder, 'none', 'login.json'))).toBeUndefined()
    expect(await removeLogin(join(folder, 'none', 'login.json'))).toBe(false)
  }))

test.runIf(POSIX)('a file that others can read is refused with the command that mends it', () =>
  withFolder(async folder => {
    const path = join(folder, "it's a login.json")
    await writeLogin(path, LOGIN)
    for (const mode of [0o644, 0o640, 0o604, 0o620]) {
      await chmod(path, mode)
      const error = await failure(readLogin(path))
      expect(error.code).toBe('unauthenticated')
      expect(error.message).toContain(mode.toString(8))
      expect(error.hint).toBe(`Run: chmod 600 '${path.replace("'", `'\\''`)}'`)
    }
    await chmod(path, 0o600)
    expect(await readLogin(path)).toEqual(LOGIN)
  }),
)

test('a damaged file is refused, and left as it is', () =>
  withFolder(async folder => {
    const path = join(folder, 'login.json')
    await writeLogin(path, LOGIN)
    const whole = await readFile(path, 'utf8')
    const damages = [
      '',
      '{',
      'null',
      '[]',
      whole.slice(0, -3),
      '{"type":"authorized_user"}',
      whole.replace('authorized', 'other'),
      'x'.repeat(70_000),
    ]
    for (const text of damages) {
      await writeFile(path, text)
      const error = await failure(readLogin(path))
      expect(error.code).toBe('unauthenticated')
      expect(error.hint).toContain('colab-escape auth login')
      expect((await failure(keepAccess(path, LOGIN, { access: undefined }))).code).toBe('unauthenticated')
      expect(await readFile(path, 'utf8')).toBe(text)
    }
  }))

test('any text is a login, or refused by name', () =>
  withFolder(async folder => {
    const path = join(folder, 'login.json')
    await writeLogin(path, LOGIN)
    const field = fc.oneof(fc.jsonValue(), fc.constant('authorized_user'))
    const json = fc.record(
      {
        type: field,
        client_id: field,
        client_secret: field,
        refresh_token: field,
        scope: field,
        account: field,
        login_ends: field,
        access: field,
      },
      { requiredKeys: ['type'] },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          json.map(value => JSON.stringify(value)),
        ),
        async text => {
          await writeFile(path, text)
          const login = await readLogin(path).catch((error: unknown) => error)
          if (login instanceof Error) expect(login).toBeInstanceOf(AppError)
          else expect((login as SavedLogin).refreshToken.length).toBeGreaterThan(0)
        },
      ),
      { seed: 20, numRuns: 150 },
    )
  }))

test('what another process did meanwhile stands: a new access token is kept with its own login only', () =>
  withFolder(async folder => {
    const path = join(folder, 'login.json')
    const access = { token: 'ya29.newer', expiresAt: 5000, scope: LOGIN.scope }
    await keepAccess(path, LOGIN, { access })
    expect(await readLogin(path)).toBeUndefined() // logged out
    const other = { ...LOGIN, refreshToken: '1//0other' }
    await writeLogin(path, other)
    await keepAccess(path, LOGIN, { access })
    expect(await readLogin(path)).toEqual(other)
    await keepAccess(path, other, { access })
    expect(await readLogin(path)).toEqual({ ...other, access })
  }))

test('many who write and read at once never see half a file', () =>
  withFolder(async folder => {
    const path = join(folder, 'login.json')
    await writeLogin(path, LOGIN)
    const tokens = Array.from({ length: 40 }, (_, i) => `ya29.${i}`)
    await Promise.all(
      tokens.flatMap(token => [
        keepAccess(path, LOGIN, { access: { token, expiresAt: 5000, scope: LOGIN.scope } }),
        readLogin(path).then(login => expect(login?.refreshToken).toBe(LOGIN.refreshToken)),
      ]),
    )
    expect(tokens).toContain((await readLogin(path))?.access?.token)
    expect(await readdir(folder)).toEqual(['login.json'])
  }))

test('removing takes what a killed process left along, and nothing else', () =>
  withFolder(async folder => {
    const path = join(folder, 'login.json')
    await writeLogin(path, LOGIN)
    await writeFile(`${path}.123-abc.tmp`, 'half a secret')
    await writeFile(join(folder, 'other.json'), 'not ours')
    expect(await removeLogin(path)).toBe(true)
    expect(await readdir(folder)).toEqual(['other.json'])
    expect(await removeLogin(path)).toBe(false)
  }))

test('a place that cannot be written is told, and nothing is left there', () =>
  withFolder(async folder => {
    await mkdir(join(folder, 'login.json'))
    await writeFile(join(folder, 'login.json', 'in the way'), '')
    const error = await failure(writeLogin(join(folder, 'login.json'), LOGIN))
    expect(error.code).toBe('io')
    expect(error.hint).toContain('COLAB_ESCAPE_CONFIG')
    expect(await readdir(folder)).toEqual(['login.json'])
  }))
