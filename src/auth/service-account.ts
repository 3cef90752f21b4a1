import { createPrivateKey, sign } from 'node:crypto'
import { AppError, messageOf } from '../util/errors.ts'
import type { AuthContext } from './context.ts'
import { SCOPES, type ServiceAccount } from './credentials.ts'
import { callTokenEndpoint } from './token-endpoint.ts'
import { CachedTokenSource } from './token-source.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** The longest lifetime that Google accepts. */
const LIFE_S = 3600

/** The note before a push as a service account, which came from `origin`. */
export function quotaNote(origin: string): string {
  return `Service accounts have no storage quota of their own: Drive refuses what they upload. Unset ${origin} to use your own login (\`colab-escape auth login\`).`
}

export function serviceAccountSource(account: ServiceAccount, context: AuthContext): CachedTokenSource {
  const description = `service account ${account.email}`
  const cure =
    "Check this machine's clock, and that the key has not been deleted: https://console.cloud.google.com/iam-admin/serviceaccounts"
  return new CachedTokenSource(
    description,
    async ({ signal }) => {
      const fields = { grant_type: GRANT, assertion: assertion(account, context) }
      const { accessToken, expiresAt } = await callTokenEndpoint(context, fields, { subject: `the ${description}`, cure }, signal)
      return { token: accessToken, expiresAt, scope: SCOPES.drive.url }
    },
    context.now,
  )
}

/** RFC 7523, signed with RS256. The audience is always our own endpoint. The key file can't change it. */
function assertion(account: ServiceAccount, { endpoints, now }: AuthContext): string {
  const issued = Math.floor(now() / 1000)
  const header = { alg: 'RS256', typ: 'JWT', ...(account.keyId === undefined ? {} : { kid: account.keyId }) }
  const claims = { iss: account.email, scope: SCOPES.drive.url, aud: endpoints.token, iat: issued, exp: issued + LIFE_S }
  const text = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${signature(account, text)}`
}

function signature({ email, privateKey }: ServiceAccount, text: string): string {
  try {
    const key = createPrivateKey(privateKey)
    if (key.asymmetricKeyType !== 'rsa') throw new Error('it is not an RSA key')
    return sign('sha256', Buffer.from(text), key).toString('base64url')
  } catch (error) {
    throw new AppError('unauthenticated', `The private key of the service account ${email} can't be used: ${messageOf(error)}.`, {
      hint: 'Download the key file again: https://console.cloud.google.com/iam-admin/serviceaccounts',
    })
  }
}
