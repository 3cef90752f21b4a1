import { EnvHttpProxyAgent, fetch as undiciFetch } from 'undici'
import { AppError, errnoOf } from './errors.ts'

export interface ProxyAddresses {
  /** Addresses. If empty, requests of that kind go directly. */
  httpProxy: string
  httpsProxy: string
  /** Hosts to reach directly, separated by commas. */
  noProxy: string
}

/**
 * Both `fetch` and the agent come from undici: an agent of one version does not fit the built-in `fetch` of another
 * Node. Errors beside those of `fetch`: `denied` if the proxy asks for a login, `unavailable` if it is not there or
 * refuses.
 */
export function proxiedFetch(addresses: ProxyAddresses): typeof fetch {
  const dispatcher = new EnvHttpProxyAgent(addresses)
  // the types of undici's requests and responses differ from Node's own copy only in name
  const send = undiciFetch as unknown as (input: unknown, init: object) => Promise<Response>
  const proxy = new URL(addresses.httpsProxy === '' ? addresses.httpProxy : addresses.httpsProxy)
  return async (input, init) => {
    try {
      return await send(input, { ...init, dispatcher })
    } catch (error) {
      throw fromProxy(error, proxy) ?? error
    }
  }
}

/** What undici says of an answer with which a proxy makes no tunnel. */
const REFUSED = /^Proxy response \((\d{3})\)/
const ABSENT = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED']

/** Undefined for an error that is not known to be that of the proxy. */
function fromProxy(error: unknown, { host, hostname, port, username }: URL): AppError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const status = REFUSED.exec(cause.message)?.[1]
    if (status === '407')
      return new AppError('denied', `The proxy ${host} ${username === '' ? 'asks for a login' : 'does not accept the login'} (HTTP 407).`, {
        hint: `Set HTTPS_PROXY to an address with user and password: http://user:password@${host}`,
        cause: error,
      })
    if (status !== undefined)
      return new AppError('unavailable', `The proxy ${host} does not lead to Google: it answers with HTTP ${status}.`, {
        hint: 'Check HTTPS_PROXY, or ask those who run the proxy.',
        cause: error,
      })
    const { hostname: sought, port: tried } = cause as { hostname?: string; port?: number }
    if (ABSENT.includes(errnoOf(cause) ?? '') && (sought === hostname || (sought === undefined && String(tried) === port)))
      return new AppError('unavailable', `The proxy ${host} can't be reached: ${cause.message}.`, {
        hint: 'Check HTTPS_PROXY and the network, and run the same command again.',
        repeat: 'if-answered',
        cause: error,
      })
  }
  return undefined
}
