import { KNOWN_SCOPES } from './access.ts'
import type { Call } from './call.ts'
import { discoveryDocument } from './discovery-document.ts'

interface Rule {
  required: readonly string[]
  optional?: readonly string[]
}

/*
 * Google's endpoints for desktop programs (developers.google.com/identity/protocols/oauth2/native-app), for service
 * accounts (.../service-account), and RFC 6749, 7523 and 7636. No discovery document covers them.
 */
const AUTH: Rule = {
  required: ['client_id', 'redirect_uri', 'response_type', 'scope', 'code_challenge', 'code_challenge_method'],
  optional: ['state', 'login_hint', 'access_type', 'prompt', 'include_granted_scopes', 'enable_granular_consent', 'hd', 'nonce'],
}
const GRANTS: Readonly<Record<string, Rule>> = {
  authorization_code: { required: ['client_id', 'code', 'code_verifier', 'redirect_uri'], optional: ['client_secret'] },
  refresh_token: { required: ['client_id', 'refresh_token'], optional: ['client_secret', 'scope'] },
  'urn:ietf:params:oauth:grant-type:jwt-bearer': { required: ['assertion'] },
}
const REVOKE: Rule = { required: ['token'] }

/** What is wrong with a request to Google's OAuth endpoints. */
export function oauthProblems(call: Call): string[] {
  const form = new URLSearchParams(call.body.toString())
  if (call.kind === 'oauth.auth' && call.method === 'GET')
    return [
      ...problems('auth', call.query, AUTH, call.path === '/o/oauth2/v2/auth'),
      ...scopeProblems(call.query.get('scope')),
      ...(call.query.get('response_type') === 'code' ? [] : ['auth: response_type is not code']),
      ...(call.query.get('code_challenge_method') === 'S256' ? [] : ['auth: code_challenge_method is not S256']),
    ]
  if (call.kind === 'oauth.token') {
    const grant = form.get('grant_type') ?? ''
    const rule = Object.hasOwn(GRANTS, grant) ? GRANTS[grant] : undefined
    form.delete('grant_type')
    return rule === undefined ? [`token: no grant is ${grant}`] : problems('token', form, rule, call.path === '/token')
  }
  if (call.kind === 'oauth.revoke') return problems('revoke', call.body.length > 0 ? form : call.query, REVOKE, true)
  return []
}

function problems(name: string, sent: URLSearchParams, { required, optional = [] }: Rule, isPlace: boolean): string[] {
  // the emulator's own consent page tells by one more what its user pressed
  const names = [...new Set(sent.keys())].filter(one => !one.startsWith('emulator_'))
  return [
    ...required.filter(one => (sent.get(one) ?? '') === '').map(one => `${name}: ${one} is missing`),
    ...names.filter(one => ![...required, ...optional].includes(one)).map(one => `${name}: unknown parameter ${one}`),
    ...names.filter(one => sent.getAll(one).length > 1).map(one => `${name}: ${one} is repeated`),
    ...(isPlace ? [] : [`${name}: an old address`]),
  ]
}

/** Google names the scopes of Drive in its description. */
function scopeProblems(scope: string | null): string[] {
  const ofDrive = Object.keys(discoveryDocument()?.auth.oauth2.scopes ?? {})
  const known = [...KNOWN_SCOPES, ...ofDrive]
  return (scope ?? '').split(' ').flatMap(one => (known.includes(one) ? [] : [`auth: no scope is ${one}`]))
}
