import { EnvHttpProxyAgent, fetch as undiciFetch } from 'undici'

export interface ProxyAddresses {
  /** Addresses. If empty, requests of that kind go directly. */
  httpProxy: string
  httpsProxy: string
  /** Hosts to reach directly, separated by commas. */
  noProxy: string
}

/**
 * Both `fetch` and the agent come from undici: an agent of one version does not fit the built-in `fetch` of another
 * Node.
 */
export function proxiedFetch(addresses: ProxyAddresses): typeof fetch {
  const dispatcher = new EnvHttpProxyAgent(addresses)
  // the types of undici's requests and responses differ from Node's own copy only in name
  const send = undiciFetch as unknown as (input: unknown, init: object) => Promise<Response>
  return (input, init) => send(input, { ...init, dispatcher })
}
