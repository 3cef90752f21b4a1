/*
 * The environment, read in one place: variables, `.env` files, and the paths of this machine. Every other room gets its
 * settings as arguments.
 */

import { availableParallelism, hostname, userInfo } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import envPaths from 'env-paths'
import { AppError, errnoOf, messageOf } from './util/errors.ts'
import type { ProxySettings } from './util/http.ts'
import { inHome } from './util/paths.ts'
import { readSmallText, UnfitFile } from './util/small-file.ts'

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
  /** COLAB_ESCAPE_PASSWORD: of an encrypted repository. */
  password: string | undefined
  /** COLAB_ESCAPE_NEW_PASSWORD: for the commands that add or change one. */
  newPassword: string | undefined
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
  /** The whole environment, for a process of this program that goes on with this command's work. */
  environment: NodeJS.ProcessEnv
  /** The environment of other programs that this one starts: a few variables, of which none holds a secret. */
  programEnv: NodeJS.Dict<string>
  /** What people must know of the files that settings were read from. */
  notes: readonly string[]
  /** The files that variables were taken from. Other variables are those of the environment. */
  origins: Readonly<Record<string, string>>
  /** Variables that `.env` of the current folder sets, and that don't count there. */
  passedOver: readonly string[]
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

/** `settingsFile`: --settings-file. */
export function readSettings({ settingsFile }: { settingsFile?: string | undefined } = {}): Settings {
  const { env, origins, notes, passedOver } = readEnvironment(settingsFile)
  const zstd = env.COLAB_ESCAPE_ZSTD
  if (zstd !== undefined && zstd !== '' && zstd !== 'native' && zstd !== 'portable')
    throw new AppError('usage', `COLAB_ESCAPE_ZSTD is ${JSON.stringify(zstd)}.`, { hint: 'Set it to native or portable, or unset it.' })
  const colabBroker = brokerAddress(process.env)
  const dumb = process.env.TERM === 'dumb'
  return {
    store: nonEmpty(env.COLAB_ESCAPE_STORE),
    password: nonEmpty(env.COLAB_ESCAPE_PASSWORD),
    newPassword: nonEmpty(process.env.COLAB_ESCAPE_NEW_PASSWORD),
    cacheFolder: path(env.COLAB_ESCAPE_CACHE) ?? ownFolder('cache'),
    configFolder: configFolderOf(env),
    google: {
      token: nonEmpty(env.COLAB_ESCAPE_TOKEN),
      credentials: nonEmpty(env.COLAB_ESCAPE_CREDENTIALS),
      applicationCredentials: path(env.GOOGLE_APPLICATION_CREDENTIALS),
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
    environment: process.env,
    notes,
    origins,
    passedOver,
    programEnv: Object.fromEntries(PASSED_ON.map(name => [name, process.env[name]])),
  }
}

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

/** No shell expands `~` in a file of settings. */
const path = (text: string | undefined): string | undefined => (text === undefined || text === '' ? undefined : inHome(text))

/** The user's folder, never one below the current folder, as an empty HOME would make it. */
function ownFolder(kind: 'cache' | 'config'): string {
  const folder = envPaths('colab-escape', { suffix: '' })[kind]
  return isAbsolute(folder) ? folder : resolve(homeOfUser(), folder)
}

function homeOfUser(): string {
  try {
    return userInfo().homedir
  } catch {
    return '/' // a user without an entry has no folder
  }
}

const configFolderOf = (env: NodeJS.Dict<string>): string => path(env.COLAB_ESCAPE_CONFIG) ?? ownFolder('config')

/** What a file may set. Addresses for tokens and proxies are read only from the real environment. */
const IN_FILES = [
  'COLAB_ESCAPE_STORE',
  'COLAB_ESCAPE_PASSWORD',
  'COLAB_ESCAPE_CACHE',
  'COLAB_ESCAPE_CONFIG',
  'COLAB_ESCAPE_TOKEN',
  'COLAB_ESCAPE_CREDENTIALS',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GOOGLE_CLIENT_ID',
  'GOOGLE_CLIENT_SECRET',
  'COLAB_ESCAPE_ZSTD',
  'NO_COLOR',
]

interface ReadEnvironment extends Pick<Settings, 'origins' | 'passedOver'> {
  env: NodeJS.Dict<string>
  notes: string[]
}

const MAX_ENV_BYTES = 64 * 1024

/**
 * The variables of the environment, and of three files where it does not set them: --settings-file, `.env` of the
 * user's own folder for settings, and `.env` of the current folder. The last one may have come with somebody else's
 * files, so of it only settings count that move no data (docs/adr/0013-settings-of-the-current-folder.md).
 */
function readEnvironment(settingsFile: string | undefined): ReadEnvironment {
  const env = { ...process.env }
  const origins: Record<string, string> = {}
  const notes: string[] = []
  const add = (path: string, values: NodeJS.Dict<string>): void => {
    const names = IN_FILES.filter(name => nonEmpty(values[name]) !== undefined && env[name] === undefined)
    for (const name of names) {
      env[name] = values[name]
      origins[name] = path
    }
    if (names.length > 0) notes.push(`${names.join(', ')}: set by ${path}`)
  }
  if (settingsFile !== undefined) add(resolve(settingsFile), readNamedFile(settingsFile))
  const own = join(configFolderOf(env), '.env')
  add(own, readOptionalFile(own, { mustBeOwn: true, notes }))
  const { COLAB_ESCAPE_ZSTD: zstd, NO_COLOR, ...others } = readOptionalFile('.env', { mustBeOwn: false, notes })
  // a folder must not choose a codec that this Node lacks, and the native one is the default where there is one
  add('.env of the current folder', { NO_COLOR, ...(zstd === 'portable' ? { COLAB_ESCAPE_ZSTD: zstd } : {}) })
  const passedOver = IN_FILES.filter(name => nonEmpty(others[name]) !== undefined && env[name] === undefined)
  const ours = passedOver.filter(name => name.startsWith('COLAB_ESCAPE_'))
  if (ours.length > 0)
    notes.push(
      `${ours.join(', ')}: not taken from .env of the current folder, which may have come with somebody else's files. If it is yours, name it with --settings-file .env, or move it to ${own}`,
    )
  return { env, origins, notes, passedOver }
}

/** Reads a file that a person has named. Errors: `usage`. */
function readNamedFile(path: string): NodeJS.Dict<string> {
  try {
    return readVariables(path, true)
  } catch (error) {
    const hint =
      error instanceof UnfitFile
        ? 'Name a file that belongs to you and that nobody else can change (chmod go-w), because it decides where data goes.'
        : 'Check the path and its permissions.'
    throw new AppError('usage', `--settings-file ${path} can't be used: ${messageOf(error)}.`, { hint, cause: error })
  }
}

/** Reads a file that may be absent. One that is unfit is passed over with a note; a virtualenv is often called .env. */
function readOptionalFile(path: string, { mustBeOwn, notes }: { mustBeOwn: boolean; notes: string[] }): NodeJS.Dict<string> {
  try {
    return readVariables(path, mustBeOwn)
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof UnfitFile)) throw error
    const isNoFile = ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '') || (error instanceof UnfitFile && error.isFolder)
    if (!isNoFile) notes.push(`${path} is not used: ${messageOf(error)}`)
    return {}
  }
}

function readVariables(path: string, mustBeOwn: boolean): NodeJS.Dict<string> {
  return parseEnv(readSmallText(path, { maxBytes: MAX_ENV_BYTES, mustBeOwn }))
}
