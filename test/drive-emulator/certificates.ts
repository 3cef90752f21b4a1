import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificate } from './server.ts'

const run = promisify(execFile)

/** Google's names that programs under test may call. */
export const GOOGLE_HOSTS = ['www.googleapis.com', 'oauth2.googleapis.com', 'accounts.google.com', 'openidconnect.googleapis.com'] as const

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/**
 * A certificate for Google's hosts and this machine, by an authority (PEM) of its own that lives for two days. Needs
 * the `openssl` command.
 */
export async function makeCertificates(): Promise<Certificate & { authority: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'emulator-ca-'))
  try {
    const at = (name: string) => join(folder, name)
    const names = [...GOOGLE_HOSTS.map(host => `DNS:${host}`), 'DNS:localhost', 'IP:127.0.0.1'].join(',')
    const life = ['-days', '2']
    await run('openssl', [
      'req',
      '-x509',
      ...NEW_KEY,
      ...life,
      '-subj',
      '/CN=Drive emulator CA',
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
    ])
    const leaf = ['-subj', '/CN=www.googleapis.com', '-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=critical,CA:FALSE']
    const signer = ['-CA', at('ca.pem'), '-CAkey', at('ca.key')]
    await run('openssl', ['req', '-x509', ...NEW_KEY, ...life, ...signer, ...leaf, '-keyout', at('key.pem'), '-out', at('cert.pem')])
    const [key, cert, authority] = await Promise.all(['key.pem', 'cert.pem', 'ca.pem'].map(name => readFile(at(name), 'utf8')))
    if (key === undefined || cert === undefined || authority === undefined) throw new Error('openssl wrote no certificate.')
    return { key, cert, authority }
  } finally {
    await rm(folder, { recursive: true })
  }
}
