import type { AccessToken, Accounts, Grant } from './accounts.ts'
import type { Call, Reply } from './call.ts'
import { TextError } from './errors.ts'
import type { Surroundings } from './surroundings.ts'

const ACCOUNTS = '/computeMetadata/v1/instance/service-accounts/'

const plain = (body: string): Reply => ({ status: 200, headers: { 'content-type': 'application/text' }, body })

/** Colab's credentials broker: until the user has run `auth.authenticate_user()` there is no `default` account. */
export class MetadataBroker {
  private grant: Grant | undefined
  private cached: AccessToken | undefined
  private readonly accounts: Accounts
  private readonly surroundings: Surroundings

  constructor(accounts: Accounts, surroundings: Surroundings) {
    this.accounts = accounts
    this.surroundings = surroundings
  }

  /** The user has let the notebook act for them. */
  consent(grant: Grant): void {
    this.grant = grant
    this.cached = undefined
  }

  handle(call: Call): Reply {
    if (call.headers['metadata-flavor'] !== 'Google') throw new TextError(403, 'Missing required header: Metadata-Flavor')
    for (const name of call.query.keys())
      if (!['recursive', 'scopes', 'alt'].includes(name)) throw new TextError(400, `Unknown parameter: ${name}`)
    const reply = this.answer(call)
    return { ...reply, headers: { ...reply.headers, 'metadata-flavor': 'Google' } }
  }

  private answer(call: Call): Reply {
    if (/^\/computeMetadata\/v1\/instance\/?$/.test(call.path)) return plain('service-accounts/\n')
    const grant = this.grant
    const path = call.path.endsWith('/') ? call.path : `${call.path}/`
    if (path === ACCOUNTS) return plain(grant === undefined ? '' : 'default/\n')
    if (grant === undefined || grant.revoked || !path.startsWith(`${ACCOUNTS}default/`)) throw new TextError(404, 'Not Found')
    const scopes = [...grant.scopes]
    switch (path.slice(`${ACCOUNTS}default/`.length)) {
      case '':
        return call.query.get('recursive') === 'true'
          ? { status: 200, json: { aliases: ['default'], email: grant.user.email, scopes } }
          : plain('aliases\nemail\nscopes\ntoken\n')
      case 'email/':
        return plain(grant.user.email)
      case 'scopes/':
        return plain(scopes.join('\n'))
      case 'token/':
        return { status: 200, json: this.token(grant, call.query.get('scopes')) }
      default:
        throw new TextError(404, 'Not Found')
    }
  }

  /**
   * The same token for all who ask, until five minutes before its end. Scopes can be asked for, but the user's consent
   * decides.
   */
  private token(grant: Grant, scopes: string | null) {
    const asked = scopes?.split(',') ?? []
    if (asked.some(scope => !/^(?:https:\/\/www\.googleapis\.com\/auth\/[a-z._-]+|openid|email|profile)$/.test(scope)))
      throw new TextError(400, 'Invalid scopes')
    const now = this.surroundings.now()
    const good = this.cached !== undefined && this.accounts.access(this.cached.token) !== undefined && this.cached.expires - now > 300_000
    const access = good && this.cached !== undefined ? this.cached : this.accounts.issueAccess(grant)
    this.cached = access
    return { access_token: access.token, expires_in: Math.floor((access.expires - now) / 1000), token_type: 'Bearer' }
  }
}
