/*
 * The environment, read in one place: variables, the `.env` file of the current folder, and the paths of this machine.
 * Every other room gets its settings as arguments.
 */

import { readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import { parseEnv } from 'node:util'
import envPaths from 'env-paths'
import { AppError, errnoOf, messageOf } from './util/errors.ts'
import type { ProxySettings } from './util/http.ts'

/** The credentials for Google from the environment. */
interface GoogleSettings {
  /** COLAB_ESCAPE_TOKEN: an access token */
  token: string | undefined
  /** COLAB_ESCAPE_CREDENTIALS: JSON */
  credentials: string | undefined
  /** GOOGLE_APPLICATION_CREDENTIALS: path of a JSON file */
  applicationCredentials: string | undefined
  /** GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET: for `auth login` */
  clientId: string | undefined
  clientSecret: string | undefined
  /**
   * TBE_EPHEM_CREDS_ADDR, `host:port`: Colab's credentials broker; undefined outside Colab and with USE_AUTH_EPHEM=0.
   */
  colabBroker: string | undefined
  /** COLAB_ESCAPE_GOOGLE_ENDPOINT: a test server on this machine that replaces all of Google. */
  endpoint: string | undefined
}

/** All settings from the environment. */
export interface Settings {
  /** COLAB_ESCAPE_STORE */
  store: string | undefined
  /** COLAB_ESCAPE_CACHE, else the platform's folder for caches. */
  cacheFolder: string
  /** COLAB_ESCAPE_CONFIG, else the platform's folder for settings. The saved login is there. */
  configFolder: string
  google: GoogleSettings
  /** Whether this runs in a Colab notebook: TBE_CREDS_ADDR or TBE_EPHEM_CREDS_ADDR is set. */
  colab: boolean
  proxy: ProxySettings
  /** COLAB_ESCAPE_ZSTD: the codec to use instead of the best one, `native` or `portable`. */
  zstd: 'native' | 'portable' | undefined
  colour: boolean
  /** Whether a line may be redrawn. False on a dumb terminal and in CI. */
  redraws: boolean
  cores: number
  host: string
  /** The environment of programs that this one starts: a few variables, of which none holds a secret. */
  programEnv: NodeJS.Dict<string>
}

/** What a browser needs, and the program that opens it. */
// prettier-ignore
const PASSED_ON = [
  'PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'LC_MESSAGES', 'TERM', 'BROWSER',
  'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'DBUS_SESSION_BUS_ADDRESS', 'DESKTOP_SESSION', 'KDE_FULL_SESSION',
  'KDE_SESSION_VERSION', 'XDG_CURRENT_DESKTOP', 'XDG_SESSION_TYPE', 'XDG_RUNTIME_DIR', 'XDG_DATA_HOME', 'XDG_DATA_DIRS',
  'XDG_CONFIG_HOME', 'XDG_CONFIG_DIRS', 'XDG_CACHE_HOME', 'WSL_DISTRO_NAME', 'WSL_INTEROP',
  'SystemRoot', 'SystemDrive', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA', 'ProgramData', 'ProgramFiles', 'TEMP', 'TMP',
]

export function readSettings(): Settings {
  const env = { ...readEnvFile('.env'), ...process.env }
  const zstd = env.COLAB_ESCAPE_ZSTD
  if (zstd !== undefined && zstd !== '' && zstd !== 'native' && zstd !== 'portable')
    throw new AppError('usage', `COLAB_ESCAPE_ZSTD is ${JSON.stringify(zstd)}.`, { hint: 'Set it to native or portable, or unset it.' })
  const folders = envPaths('colab-escape', { suffix: '' })
  const colabBroker = brokerAddress(process.env)
  const dumb = process.env.TERM === 'dumb'
  return {
    store: nonEmpty(env.COLAB_ESCAPE_STORE),
    cacheFolder: nonEmpty(env.COLAB_ESCAPE_CACHE) ?? folders.cache,
    configFolder: nonEmpty(env.COLAB_ESCAPE_CONFIG) ?? folders.config,
    google: {
      token: nonEmpty(env.COLAB_ESCAPE_TOKEN),
      credentials: nonEmpty(env.COLAB_ESCAPE_CREDENTIALS),
      applicationCredentials: nonEmpty(env.GOOGLE_APPLICATION_CREDENTIALS),
      clientId: nonEmpty(env.GOOGLE_CLIENT_ID),
      clientSecret: nonEmpty(env.GOOGLE_CLIENT_SECRET),
      colabBroker,
      endpoint: testEndpoint(process.env.COLAB_ESCAPE_GOOGLE_ENDPOINT),
    },
    colab: nonEmpty(process.env.TBE_CREDS_ADDR ?? process.env.TBE_EPHEM_CREDS_ADDR) !== undefined,
    proxy: {
      http: nonEmpty(process.env.http_proxy) ?? nonEmpty(process.env.HTTP_PROXY),
      https: nonEmpty(process.env.https_proxy) ?? nonEmpty(process.env.HTTPS_PROXY),
      no: [nonEmpty(process.env.no_proxy) ?? process.env.NO_PROXY ?? '', ...direct(colabBroker)].filter(each => each !== '').join(','),
    },
    zstd: zstd === 'native' || zstd === 'portable' ? zstd : undefined,
    colour: nonEmpty(env.NO_COLOR) === undefined && !dumb,
    redraws: !dumb && ['', 'false', '0'].includes(process.env.CI ?? ''),
    cores: availableParallelism(),
    host: hostname(),
    programEnv: Object.fromEntries(PASSED_ON.map(name => [name, process.env[name]])),
  }
}

/**
 * Addresses for tokens and proxies are read only from the real environment, because a `.env` file may come from
 * somebody else.
 */
function brokerAddress(env: NodeJS.Dict<string>): string | undefined {
  const address = nonEmpty(env.TBE_EPHEM_CREDS_ADDR)
  if (address === undefined || env.USE_AUTH_EPHEM === '0') return undefined
  if (/^[\w.-]+:\d{1,5}$/.test(address)) return address
  throw new AppError('usage', `TBE_EPHEM_CREDS_ADDR is ${JSON.stringify(address)}.`, {
    hint: 'Set it to host:port, as Colab does, or unset it.',
  })
}

function testEndpoint(value: string | undefined): string | undefined {
  const address = nonEmpty(value)
  if (address === undefined) return undefined
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url && /^https?:$/.test(url.protocol) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) return url.origin
  throw new AppError('usage', 'COLAB_ESCAPE_GOOGLE_ENDPOINT is not an address on this machine.', {
    hint: 'It is for tests only: set it to an address such as http://127.0.0.1:8400, or unset it.',
  })
}

/** Hosts in Colab's own network, which a proxy can't reach. */
function direct(colabBroker: string | undefined): string[] {
  return colabBroker === undefined ? [] : [colabBroker, 'metadata.google.internal']
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function readEnvFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {}
    throw new AppError('io', `The settings file ${path} can't be read: ${messageOf(error)}`, { hint: 'Fix or remove it.', cause: error })
  }
}
