import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DEFAULT_CLIENT, type DriveEmulator } from '../drive-emulator/emulator.ts'
import { Sandbox, type CliOptions, type CliResult } from '../helpers/cli.ts'

export const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

/** What this machine may have set for itself. */
const OF_THE_MACHINE = [
  ...['GOOGLE_APPLICATION_CREDENTIALS', 'GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET', 'TBE_EPHEM_CREDS_ADDR', 'USE_AUTH_EPHEM'],
  ...['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy'],
]

/** Who the program is to Google: an access token alone, or credentials with a refresh token. */
export type Login = { accessToken: string } | { refreshToken: string }

export function driveEnvironment(emulator: DriveEmulator, folder: string, login?: Login): Record<string, string | undefined> {
  const { id, secret } = DEFAULT_CLIENT
  return {
    ...Object.fromEntries(OF_THE_MACHINE.map(name => [name, undefined])),
    ...scaledTime(emulator.drive.conduct.timeScale),
    COLAB_ESCAPE_GOOGLE_ENDPOINT: emulator.url,
    COLAB_ESCAPE_STORE: 'drive:',
    COLAB_ESCAPE_CACHE: join(folder, 'cache'),
    COLAB_ESCAPE_CONFIG: join(folder, 'config'),
    COLAB_ESCAPE_TOKEN: login && 'accessToken' in login ? login.accessToken : undefined,
    COLAB_ESCAPE_CREDENTIALS:
      login && 'refreshToken' in login
        ? JSON.stringify({ type: 'authorized_user', client_id: id, client_secret: secret, refresh_token: login.refreshToken })
        : undefined,
  }
}

/** Where minutes of Drive are seconds, they are for the program too. */
function scaledTime(scale: number): Record<string, string> {
  if (scale === 1) return {}
  const preload = new URL(`./scaled-time.mjs?${scale}`, import.meta.url)
  return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload.href}`.trim() }
}

/** A folder of its own, in which the program runs with `drive:` on the emulator as its store. */
export class DriveSandbox extends Sandbox {
  protected readonly emulator: DriveEmulator
  protected readonly login: Login

  constructor(emulator: DriveEmulator, path: string, login: Login = emulator.issueToken(), store = 'drive:') {
    super(path, store)
    this.emulator = emulator
    this.login = login
  }

  /** The same program in the same folder, with another `--store`. */
  withStore(store: string): DriveSandbox {
    return new DriveSandbox(this.emulator, this.path, this.login, store)
  }

  override run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return super.run(args, { ...options, env: { ...driveEnvironment(this.emulator, this.path, this.login), ...options.env } })
  }
}
