import type { KeyObject } from 'node:crypto'
import { fullScope } from './access.ts'
import type { Caller, User } from './access.ts'
import { badToken } from './errors.ts'
import { randomText } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

export interface OAuthClient {
  id: string
  secret: string | undefined
  /** `installed` needs PKCE and may be sent to any port of the loopback address. */
  type: 'installed' | 'web'
  /** Exact addresses of a `web` client. */
  redirectUris: readonly string[]
  /** Not published: refresh tokens last a week. */
  testing: boolean
}

export interface ServiceAccount {
  user: User
  publicKey: KeyObject
}

/** What a user has allowed a client; ends for all its tokens at once. */
export interface Grant {
  user: User
  clientId: string
  scopes: ReadonlySet<string>
  revoked: boolean
  /** ms since 1970; undefined for no end. */
  expires: number | undefined
}

export interface AccessToken {
  token: string
  grant: Grant
  /** ms since 1970. */
  expires: number
}

const WEEK_MS = 7 * 24 * 3600 * 1000
const HOUR_MS = 3_599_000

/** Users, apps, and the tokens that apps hold for users. */
export class Accounts {
  readonly users = new Map<string, User>()
  readonly clients = new Map<string, OAuthClient>()
  readonly serviceAccounts = new Map<string, ServiceAccount>()
  readonly refreshTokens = new Map<string, Grant>()
  /** ms; what `expires_in` says from now on. */
  accessTokenLifeMs = HOUR_MS
  private readonly accessTokens = new Map<string, AccessToken>()
  private readonly surroundings: Surroundings

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings
  }

  addUser(email: string, options: { name?: string; quota?: number; serviceAccount?: boolean } = {}): User {
    const user: User = {
      email,
      name: options.name ?? email.split('@')[0] ?? email,
      permissionId: String(Math.floor(this.surroundings.random() * 1e15)).padStart(20, '1'),
      rootId: `0A${randomText(this.surroundings.random, 17)}`,
      serviceAccount: options.serviceAccount ?? false,
      quota: options.quota,
    }
    this.users.set(email, user)
    return user
  }

  user(email: string | undefined): User {
    const user = email === undefined ? [...this.users.values()][0] : this.users.get(email)
    if (user === undefined) throw new Error(`The emulator has no user ${email ?? 'at all'}.`)
    return user
  }

  grant(user: User, clientId: string, scopes: Iterable<string>): Grant {
    const client = this.clients.get(clientId)
    const expires = client?.testing === true ? this.surroundings.now() + WEEK_MS : undefined
    return { user, clientId, scopes: new Set([...scopes].map(fullScope)), revoked: false, expires }
  }

  issueAccess(grant: Grant, lifeMs = this.accessTokenLifeMs): AccessToken {
    const token = `ya29.${randomText(this.surroundings.random, 120)}`
    const access = { token, grant, expires: this.surroundings.now() + lifeMs }
    this.accessTokens.set(token, access)
    return access
  }

  issueRefresh(grant: Grant): string {
    const token = `1//0${randomText(this.surroundings.random, 90)}`
    this.refreshTokens.set(token, grant)
    return token
  }

  /** The token if it is still good. */
  access(token: string): AccessToken | undefined {
    const access = this.accessTokens.get(token)
    return access === undefined || access.grant.revoked || access.expires <= this.surroundings.now() ? undefined : access
  }

  /** The grant behind a refresh token that is still good. */
  refreshable(token: string): Grant | undefined {
    const grant = this.refreshTokens.get(token)
    return grant === undefined || grant.revoked || (grant.expires ?? Infinity) <= this.surroundings.now() ? undefined : grant
  }

  /** Ends the grant behind an access or refresh token; false for a token that nobody holds. */
  revoke(token: string): boolean {
    const grant = this.accessTokens.get(token)?.grant ?? this.refreshTokens.get(token)
    if (grant === undefined || grant.revoked) return false
    grant.revoked = true
    return true
  }

  /** Every access token is from now on refused, as after its hour. */
  expireAccessTokens(): void {
    this.accessTokens.clear()
  }

  callerOf(authorization: string): Caller {
    const token = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(authorization)?.[1]
    const access = token === undefined ? undefined : this.access(token)
    if (access === undefined) throw badToken()
    return { user: access.grant.user, clientId: access.grant.clientId, scopes: access.grant.scopes }
  }
}
