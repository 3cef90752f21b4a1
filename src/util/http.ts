import { AppError } from './errors.ts'

/** Addresses of proxies, from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
export interface ProxySettings {
  http: string | undefined
  https: string | undefined
  /** Hosts to reach directly, separated by commas or spaces; `*` for all. */
  no: string | undefined
}

/** This machine is never reached through a proxy. */
const ALWAYS_DIRECT = ['localhost', '127.0.0.1', '[::1]']

/**
 * The `fetch` for all requests. Node 20's own does not support proxies. If a proxy is set, requests use undici's, which
 * is loaded at the first request (40 ms). Errors: `usage` for an invalid address.
 */
export function createFetch(proxy: ProxySettings): typeof fetch {
  const httpProxy = proxyAddress('HTTP_PROXY', proxy.http)
  const httpsProxy = proxyAddress('HTTPS_PROXY', proxy.https)
  const direct = (proxy.no ?? '').split(/[,\s]+/).filter(host => host !== '')
  if ((httpProxy === '' && httpsProxy === '') || direct.includes('*')) return fetch
  const noProxy = [...direct, ...ALWAYS_DIRECT].join(',')
  let loading: Promise<typeof fetch> | undefined
  return async (input, init) => {
    loading ??= import('./proxied-fetch.ts').then(({ proxiedFetch }) => proxiedFetch({ httpProxy, httpsProxy, noProxy }))
    return (await loading)(input, init)
  }
}

/** An address may contain a password, so messages never include it. */
function proxyAddress(variable: string, value: string | undefined): string {
  if (value === undefined || value === '') return ''
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  const plain = plainAddress(address)
  if (plain !== undefined) return plain
  throw new AppError('usage', `${variable} is not the address of an HTTP proxy.`, {
    hint: `Set ${variable} to an address such as http://proxy.example:3128, or unset it.`,
  })
}

/** The address without a path, which no proxy has. Undefined if it can't be used. */
function plainAddress(address: string): string | undefined {
  try {
    const { protocol, username, password, host } = new URL(address)
    decodeURIComponent(username + password)
    const login = username === '' ? '' : `${username}:${password}@`
    return /^https?:$/.test(protocol) ? `${protocol}//${login}${host}/` : undefined
  } catch {
    return undefined
  }
}

/** Only the host of a proxy's address, which may contain a password. */
export function hostOf(address: string): string {
  return new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`).host
}
