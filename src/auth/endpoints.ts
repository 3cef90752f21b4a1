/** Addresses of Google's services. `api` and `upload` are base addresses without a trailing slash. */
export interface GoogleEndpoints {
  auth: string
  token: string
  revoke: string
  api: string
  upload: string
}

/** Google's own addresses, or the same services below one address: that of a test server. */
export function googleEndpoints(override?: string): GoogleEndpoints {
  const base = override?.replace(/\/+$/, '')
  const oauth = base ?? 'https://oauth2.googleapis.com'
  const api = base ?? 'https://www.googleapis.com'
  return {
    auth: `${base ?? 'https://accounts.google.com'}/o/oauth2/v2/auth`,
    token: `${oauth}/token`,
    revoke: `${oauth}/revoke`,
    api,
    upload: api,
  }
}
