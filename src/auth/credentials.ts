import { AppError } from '../util/errors.ts'
import { isRecord } from '../util/json-fields.ts'
import { parseObject, textOf } from './request.ts'

/** The two scopes of `auth login`, by their short names. */
export const SCOPES = {
  drive: { url: 'https://www.googleapis.com/auth/drive', description: 'all files of your Drive, so also what was pushed from Colab' },
  'drive.file': {
    url: 'https://www.googleapis.com/auth/drive.file',
    description: 'only files that this same OAuth client made: nothing pushed from Colab or with another client',
  },
} as const

export type ScopeName = keyof typeof SCOPES

/** Shortens Google's scope addresses to `drive` and `drive.file`. Leaves out scopes that do not concern Drive. */
export function shortScope(scope: string | undefined): string {
  const names = (scope ?? '').split(' ').map(each => /\/auth\/(drive(?:\.[a-z.]+)?)$/.exec(each)?.[1])
  return [...new Set(names.filter(name => name !== undefined))].sort().join(' ')
}

export interface OAuthClient {
  id: string
  /** Undefined for clients of phones, which have none. */
  secret: string | undefined
}

/** Credentials of a user, with the client of the login. */
export interface UserCredentials {
  type: 'user'
  client: OAuthClient
  refreshToken: string
}

export interface ServiceAccount {
  type: 'service-account'
  email: string
  keyId: string | undefined
  /** PEM */
  privateKey: string
}

export type Credentials = UserCredentials | ServiceAccount

/**
 * Reads credentials in Google's JSON forms `authorized_user` and `service_account`. A saved login has the former with
 * more fields. `where` is for messages. Addresses in the JSON are ignored, because tokens must go to Google only.
 * Errors: `unauthenticated`.
 */
export function parseCredentials(text: string, where: string): Credentials {
  const json = parseObject(text)
  const field = (name: string): string => {
    const value = textOf(json[name])
    if (value !== undefined) return value
    throw unusable(where, json.type === undefined ? 'it is not JSON of that kind' : `its field ${name} is missing`)
  }
  switch (json.type) {
    case 'authorized_user':
      return { type: 'user', client: { id: field('client_id'), secret: textOf(json.client_secret) }, refreshToken: field('refresh_token') }
    case 'service_account':
      return { type: 'service-account', email: field('client_email'), keyId: textOf(json.private_key_id), privateKey: field('private_key') }
    default:
      if (json.installed !== undefined || json.web !== undefined)
        throw new AppError('unauthenticated', `${where} holds an OAuth client, not the credentials of somebody who logged in with it.`, {
          hint: 'Log in with it: colab-escape auth login --client-secret-file <file>',
        })
      throw unusable(
        where,
        typeof json.type === 'string' ? `credentials of type ${json.type} are not supported` : 'it is not JSON of that kind',
      )
  }
}

function unusable(where: string, why: string): AppError {
  return new AppError('unauthenticated', `${where} holds no usable credentials: ${why}.`, {
    hint: 'It must be what `colab-escape auth export` prints, or the key file of a service account; unset it to use the saved login.',
  })
}

/** The form that Google's libraries read, in one line. */
export function toAuthorizedUser({ client, refreshToken }: UserCredentials): Record<string, string> {
  return {
    type: 'authorized_user',
    client_id: client.id,
    ...(client.secret === undefined ? {} : { client_secret: client.secret }),
    refresh_token: refreshToken,
  }
}

export interface ClientFile extends OAuthClient {
  /** For a web client, which may use registered addresses only: its address on this machine. */
  redirectUri: string | undefined
}

/** Reads the JSON file that Google's console gives for an OAuth client. Errors: `usage`. */
export function parseClientFile(text: string, path: string): ClientFile {
  const json = parseObject(text.replace(/^\uFEFF/, ''))
  const part = [json.installed, json.web].find(isRecord)
  const id = textOf(part?.client_id)
  if (part === undefined || id === undefined)
    throw new AppError('usage', `${path} is not the file of an OAuth client${whatElse(json)}.`, {
      hint: 'Download it at https://console.cloud.google.com/auth/clients (`colab-escape auth setup` shows how to make a client).',
    })
  const client = { id, secret: textOf(part.client_secret) }
  if (part === json.installed) return { ...client, redirectUri: undefined }
  const uris = Array.isArray(part.redirect_uris) ? part.redirect_uris : []
  const redirectUri = uris.find((uri): uri is string => typeof uri === 'string' && /^http:\/\/(localhost|127\.0\.0\.1):\d+(\/|$)/.test(uri))
  if (redirectUri === undefined)
    throw new AppError('usage', `The client of ${path} has the type "Web application" and no redirect address on this machine.`, {
      hint: 'Make a client of type "Desktop app", or add http://127.0.0.1:8085/ to the redirect URIs of this one and download it again.',
    })
  return { ...client, redirectUri }
}

/** What people take for the file of a client. */
function whatElse({ type }: Record<string, unknown>): string {
  if (type === 'service_account') return ': it is the key of a service account, which has no storage of its own'
  return type === 'authorized_user' ? ': it holds the login of somebody' : ''
}
