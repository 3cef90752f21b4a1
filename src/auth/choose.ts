/*
 * Authentication with Google: the saved login, Colab's broker, a service account, a given token, and the login itself.
 * It returns access tokens and does not know what they are used for.
 */

import { AppError, isAppError, messageOf } from '../util/errors.ts'
import { readSmallFile } from '../util/small-file.ts'
import { colabSource } from './colab.ts'
import type { AuthContext } from './context.ts'
import { parseCredentials, type Credentials } from './credentials.ts'
import { quotaNote, serviceAccountSource } from './service-account.ts'
import { savedSource, tokenSource, userSource } from './sources.ts'
import { readLogin } from './token-file.ts'
import type { CachedTokenSource } from './token-source.ts'

/** A key of a service account takes some 2 KB. */
const MAX_CREDENTIALS_BYTES = 64 * 1024

export interface CredentialSettings {
  /** --token or COLAB_ESCAPE_TOKEN */
  token: string | undefined
  /** COLAB_ESCAPE_CREDENTIALS: JSON */
  credentials: string | undefined
  /** GOOGLE_APPLICATION_CREDENTIALS: path of a JSON file */
  applicationCredentials: string | undefined
  /** File that `auth login` writes. It may be missing. */
  loginFile: string
  /**
   * `host:port` of Colab's broker. Undefined outside Colab, and where its credentials are in a file (USE_AUTH_EPHEM=0).
   */
  colabBroker: string | undefined
}

export interface CredentialChoice {
  source: CachedTokenSource
  kind: 'token' | 'credentials' | 'application-credentials' | 'saved-login' | 'colab'
  /** Where the credentials came from, for messages. */
  origin: string
  /** Tells one account from another, as far as can be known without a request. It may be a secret. */
  account: string
  /** A note to show before a push with these credentials. */
  note: string | undefined
}

/**
 * The first credentials that are set, in the order of `CredentialSettings`; undefined when none are. Makes no request:
 * if a Colab user has not agreed yet, the first token fails with `unauthenticated`. Credentials that are set but
 * unusable are an error (`unauthenticated`), never skipped.
 */
export async function chooseCredentials(settings: CredentialSettings, context: AuthContext): Promise<CredentialChoice | undefined> {
  const { token, credentials, applicationCredentials, loginFile, colabBroker } = settings
  if (token !== undefined) {
    const origin = 'COLAB_ESCAPE_TOKEN or --token'
    return { source: tokenSource(token, context.now), kind: 'token', origin, account: token, note: undefined }
  }
  if (credentials !== undefined) {
    const origin = 'COLAB_ESCAPE_CREDENTIALS'
    return { kind: 'credentials', origin, ...fromCredentials(parseCredentials(credentials, origin), origin, context) }
  }
  if (applicationCredentials !== undefined) {
    const origin = `GOOGLE_APPLICATION_CREDENTIALS (${applicationCredentials})`
    const parsed = parseCredentials(readCredentialsFile(applicationCredentials), origin)
    return { kind: 'application-credentials', origin, ...fromCredentials(parsed, origin, context) }
  }
  const login = await readLogin(loginFile)
  if (login !== undefined)
    return {
      source: savedSource(login, loginFile, context),
      kind: 'saved-login',
      origin: loginFile,
      account: login.account ?? login.refreshToken,
      note: undefined,
    }
  if (colabBroker !== undefined)
    return {
      source: colabSource(colabBroker, context),
      kind: 'colab',
      origin: `Colab's broker (${colabBroker})`,
      account: 'colab',
      note: undefined,
    }
  return undefined
}

/**
 * False when these are Colab's credentials and the user has not agreed to them yet. The caller may then choose a store
 * that needs none. Errors: `interrupted`.
 */
export async function isUsable({ kind, source }: CredentialChoice, signal?: AbortSignal): Promise<boolean> {
  if (kind !== 'colab') return true
  try {
    await source.getToken(signal === undefined ? {} : { signal })
    return true
  } catch (error) {
    if (!isAppError(error, 'unauthenticated', 'unavailable')) throw error
    return false
  }
}

/** The error for a command that needs credentials when there are none. */
export function noCredentials(): AppError {
  return new AppError('unauthenticated', 'You are not logged in to Google Drive.', {
    hint: 'Run `colab-escape auth login` (the first time: `colab-escape auth setup`), or set COLAB_ESCAPE_CREDENTIALS.',
  })
}

function fromCredentials(
  credentials: Credentials,
  where: string,
  context: AuthContext,
): Pick<CredentialChoice, 'source' | 'account' | 'note'> {
  return credentials.type === 'user'
    ? { source: userSource(credentials, where, context), account: credentials.refreshToken, note: undefined }
    : { source: serviceAccountSource(credentials, context), account: credentials.email, note: quotaNote(where) }
}

function readCredentialsFile(path: string): string {
  try {
    return readSmallFile(path, { maxBytes: MAX_CREDENTIALS_BYTES }).toString()
  } catch (error) {
    throw new AppError('unauthenticated', `GOOGLE_APPLICATION_CREDENTIALS names a file that can't be read: ${messageOf(error)}`, {
      hint: 'Correct the path, or unset GOOGLE_APPLICATION_CREDENTIALS to use the saved login.',
      cause: error,
    })
  }
}
