import type { Stats } from 'node:fs'
import { lstat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { namesIn } from '../local/list-folder.ts'
import { isTemporaryOf, replaceFile } from '../local/replace-file.ts'
import { AppError, errnoOf, isFullDisk, messageOf } from '../util/errors.ts'
import { makeFolder } from '../util/file-system.ts'
import { isRecord } from '../util/json-fields.ts'
import { shellQuoted } from '../util/paths.ts'
import { openOwnFile, UnfitFile } from '../util/small-file.ts'
import { toAuthorizedUser, type UserCredentials } from './credentials.ts'
import { parseObject, textOf } from './request.ts'
import type { AccessToken } from './token-source.ts'

/** A login as it is saved between runs. */
export interface SavedLogin extends UserCredentials {
  /** Granted scopes, separated by spaces. */
  scope: string
  /** E-mail address; undefined when Google could not be asked for it. */
  account: string | undefined
  /** ms since 1970; undefined when no end is known. */
  endsAt: number | undefined
  /** The last access token, to save most runs a request. */
  access: AccessToken | undefined
}

const LARGEST_FILE = 64 * 1024

/**
 * The saved login, or undefined when there is no file. A damaged file is an error, never treated as missing. Errors:
 * `unauthenticated` when the file is damaged or others can read it. On Windows modes mean nothing, and the user's
 * folder protects the file.
 */
export async function readLogin(path: string): Promise<SavedLogin | undefined> {
  const file = await openOwnFile(path).catch(async (error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    if (error instanceof UnfitFile) refuseOpen(path, await lstat(path))
    if (error instanceof UnfitFile)
      throw new AppError('unauthenticated', `The saved login ${path} is not used: ${error.message}.`, {
        hint: 'Remove it and run `colab-escape auth login`, or make it a file that belongs to you and only you can read (chmod 600).',
      })
    throw new AppError('unauthenticated', `The saved login can't be read: ${messageOf(error)}`, {
      hint: `Make ${path} readable for you, or remove it and run \`colab-escape auth login\`.`,
      cause: error,
    })
  })
  if (file === undefined) return undefined
  try {
    const stats = await file.stat()
    refuseOpen(path, stats)
    if (stats.size > LARGEST_FILE) throw damaged(path)
    return parseLogin(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

function refuseOpen(path: string, stats: Stats): void {
  const isOwn = [0, process.geteuid?.()].includes(stats.uid)
  if (process.platform === 'win32' || !stats.isFile() || !isOwn || (stats.mode & 0o077) === 0) return
  throw new AppError('unauthenticated', `Others can read the saved login: ${path} has mode ${(stats.mode & 0o777).toString(8)}.`, {
    hint: `Run: chmod 600 ${shellQuoted(path)}`,
  })
}

/** Replaces the file in one step. Creates a missing folder that only the user can access. */
export async function writeLogin(path: string, login: SavedLogin): Promise<void> {
  try {
    makeFolder(dirname(path), { mode: 0o700 })
    await replaceFile(path, formatLogin(login), { isDurable: true })
  } catch (error) {
    throw new AppError(isFullDisk(error) ? 'quota' : 'io', `The login can't be saved: ${messageOf(error)}.`, {
      hint: `Check that ${dirname(path)} can be written, or name another folder with COLAB_ESCAPE_CONFIG.`,
      cause: error,
    })
  }
}

/**
 * Saves a new access token with its login. Writes nothing when another process has logged in or out meanwhile. If two
 * processes refresh at the same time, the later one wins; both tokens are valid.
 */
export async function keepAccess(
  path: string,
  refreshed: UserCredentials,
  change: Pick<SavedLogin, 'access'> & Partial<SavedLogin>,
): Promise<void> {
  const login = await readLogin(path)
  if (login?.refreshToken === refreshed.refreshToken) await writeLogin(path, { ...login, ...change })
}

/** Removes the login, and temporary files of killed processes. True when there was a login. */
export async function removeLogin(path: string): Promise<boolean> {
  const folder = dirname(path)
  const names = await namesIn(folder)
  const ours = names.filter(name => name === basename(path) || isTemporaryOf(name, basename(path)))
  for (const name of ours) {
    await unlink(join(folder, name)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
  }
  return ours.includes(basename(path))
}

function formatLogin(login: SavedLogin): string {
  const { scope, account, endsAt, access } = login
  const json = {
    ...toAuthorizedUser(login),
    scope,
    ...(account === undefined ? {} : { account }),
    ...(endsAt === undefined ? {} : { login_ends: new Date(endsAt).toISOString() }),
    ...(access === undefined ? {} : { access: { token: access.token, expires: new Date(access.expiresAt).toISOString() } }),
  }
  return `${JSON.stringify(json, undefined, 2)}\n`
}

function parseLogin(text: string, path: string): SavedLogin {
  const json = parseObject(text)
  const id = textOf(json.client_id)
  const refreshToken = textOf(json.refresh_token)
  if (json.type !== 'authorized_user' || id === undefined || refreshToken === undefined || typeof json.scope !== 'string')
    throw damaged(path)
  return {
    type: 'user',
    client: { id, secret: textOf(json.client_secret) },
    refreshToken,
    scope: json.scope,
    account: textOf(json.account),
    endsAt: timeOf(json.login_ends),
    access: parseAccess(json.access, json.scope),
  }
}

function parseAccess(json: unknown, scope: string): AccessToken | undefined {
  if (!isRecord(json)) return undefined
  const token = textOf(json.token)
  const expiresAt = timeOf(json.expires)
  return token === undefined || expiresAt === undefined ? undefined : { token, expiresAt, scope }
}

function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN
  return Number.isNaN(ms) ? undefined : ms
}

function damaged(path: string): AppError {
  return new AppError('unauthenticated', `The saved login ${path} is damaged.`, { hint: 'Run `colab-escape auth login`: it replaces it.' })
}
