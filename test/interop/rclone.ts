import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificates } from '../drive-emulator/certificates.ts'
import { startConnectProxy } from '../drive-emulator/connect-proxy.ts'
import { DEFAULT_CLIENT, startDriveEmulator } from '../drive-emulator/emulator.ts'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'

export interface Run {
  code: number | null
  stdout: Buffer
  stderr: string
}

export interface RcloneWorld {
  emulator: DriveEmulator
  folder: string
  /** Hosts that rclone asked the proxy for. */
  asked: readonly string[]
  /** Runs rclone to its end; the remote is called `gdrive:`. */
  rclone: (...args: string[]) => Promise<Run>
  /** The same with `input` on its standard input. */
  rcloneWith: (input: Buffer, ...args: string[]) => Promise<Run>
  /** What sends rclone, or a program that runs it, to the emulator. */
  env: Readonly<Record<string, string>>
  close: () => Promise<void>
}

/**
 * Debian's rclone, unchanged, with every way to Google ending at the emulator. `tokenLifeMs` <= 0: it has to refresh
 * first.
 */
export async function startRcloneWorld(tokenLifeMs: number, options: EmulatorOptions = {}): Promise<RcloneWorld> {
  const { authority, ...certificate } = await makeCertificates()
  const emulator = await startDriveEmulator({ violations: 'noted', ...options, certificate })
  const proxy = await startConnectProxy(emulator.securePort)
  const folder = await mkdtemp(join(tmpdir(), 'rclone-drive-'))
  const { accessToken, refreshToken } = emulator.issueToken({ expiresInMs: tokenLifeMs })
  const expiry = new Date(Date.now() + tokenLifeMs).toISOString()
  const token = JSON.stringify({ access_token: accessToken, token_type: 'Bearer', refresh_token: refreshToken, expiry })
  const config = join(folder, 'rclone.conf')
  const { id, secret } = DEFAULT_CLIENT
  await writeFile(config, `[gdrive]\ntype = drive\nclient_id = ${id}\nclient_secret = ${secret ?? ''}\nscope = drive\ntoken = ${token}\n`)
  await writeFile(join(folder, 'ca.pem'), authority)
  const env = {
    PATH: '/usr/bin:/bin',
    HOME: folder,
    HTTPS_PROXY: proxy.url,
    SSL_CERT_FILE: join(folder, 'ca.pem'),
    SSL_CERT_DIR: folder,
    RCLONE_CONFIG: config,
    RCLONE_LOW_LEVEL_RETRIES: '3',
    RCLONE_RETRIES: '1',
    RCLONE_DRIVE_PACER_MIN_SLEEP: '1ms',
    RCLONE_CACHE_DIR: join(folder, 'cache'),
  }
  const rcloneWith = (input: Buffer, ...args: string[]) =>
    new Promise<Run>((resolve, reject) => {
      const child = spawn('rclone', args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
      // a child that leaves without reading its input tells why by its exit code
      child.stdin.on('error', () => undefined)
      child.stdin.end(input)
      const out: Buffer[] = []
      const errors: Buffer[] = []
      child.stdout.on('data', (piece: Buffer) => out.push(piece))
      child.stderr.on('data', (piece: Buffer) => errors.push(piece))
      child.on('error', reject)
      child.on('close', code => resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(errors).toString() }))
    })
  const close = async () => {
    await proxy.close()
    await emulator.close()
    await rm(folder, { recursive: true })
  }
  return { emulator, folder, asked: proxy.asked, rclone: (...args) => rcloneWith(Buffer.alloc(0), ...args), rcloneWith, env, close }
}
