import { EnvHttpProxyAgent, fetch as undiciFetch } from 'undici'

export interface ProxyAddresses {
  /** Addresses, or empty: then requests of that kind go directly. */
  httpProxy: string
  httpsProxy: string
  /** Hosts that are reached directly, separated by commas. */
  noProxy: string
}

/**
 * Both halves, `fetch` and the agent, come from undici: an agent of one version does not fit the `fetch` that another
 * Node has built in.
 */
export function proxiedFetch(addresses: ProxyAddresses): typeof fetch {
  const dispatcher = new EnvHttpProxyAgent(addresses)
  // the types of undici's requests and responses and those of Node's own copy of it differ in name only
  const send = undiciFetch as unknown as (input: unknown, init: object) => Promise<Response>
  return (input, init) => send(input, { ...init, dispatcher })
}
