import { zstdName } from '../../compression/load-zstd.ts'
import { textWidth } from '../../ui/width.ts'
import { wrapWords } from '../../ui/wrap.ts'
import { isAppError, messageOf } from '../../util/errors.ts'
import { hostOf, type ProxySettings } from '../../util/http.ts'
import { describeChoice, describeStore, type ChosenStore } from '../shared/chosen-store.ts'
import { authContext, sessionCredentials } from '../shared/credentials.ts'
import { loginFile } from '../shared/login-file.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { storeChoice } from '../shared/store.ts'
import { readStoresFile } from '../shared/stores-file.ts'

/** One setting. What is secret is never shown, only whether it is set. */
interface Setting {
  setting: string
  value: string | null
  secret: boolean
  /** For people. */
  from: string
}

/** Shows every setting, its value, and where it comes from. Asks no store. */
export async function configCommand(session: Session): Promise<Outcome> {
  const { console } = session
  const settings = [...(await storeSettings(session)), await loginSetting(session), ...variables(session), ...others(session)]
  console.print(describe(settings, console.columns), { command: 'config', settings })
  return 'done'
}

/** A line for each setting, wrapped at words, and one for those that are not set. */
function describe(settings: readonly Setting[], columns: number): string[] {
  const isUnset = ({ value, secret, from }: Setting): boolean => value === null && !secret && from === DEFAULT
  const rows = settings.filter(each => !isUnset(each)).map(each => [each.setting, textOf(each)] as const)
  const unset = settings.filter(isUnset).map(({ setting }) => setting)
  const all = unset.length === 0 ? rows : [...rows, ['not set', unset.join(', ')] as const]
  const width = Math.max(...all.map(([name]) => textWidth(name))) + 2
  return all.flatMap(([name, text]) =>
    wrapWords(text, columns - width).map((line, i) => (i === 0 ? name + ' '.repeat(width - textWidth(name)) : ' '.repeat(width)) + line),
  )
}

function textOf({ value, secret, from }: Setting): string {
  if (value !== null) return `${value} (${from})`
  return secret ? `set, and not shown (${from})` : from
}

const DEFAULT = 'default'
const shown = (setting: string, value: string | null, from: string): Setting => ({ setting, value, secret: false, from })

async function storeSettings(session: Session): Promise<Setting[]> {
  const file = readStoresFile(session.settings.configFolder)
  const chosen = await storeChoice(session).catch((error: unknown): ChosenStore | Error => {
    if (isAppError(error, 'usage', 'unauthenticated')) return error
    throw error
  })
  const store =
    chosen instanceof Error ? shown('store', null, chosen.message) : shown('store', describeStore(chosen), describeChoice(chosen))
  return [store, ...file.of('stores').map(({ key, value }) => shown(`store ${key}`, value, file.path))]
}

async function loginSetting(session: Session): Promise<Setting> {
  try {
    const found = await sessionCredentials(session, authContext(session))
    return found === undefined
      ? shown('login', null, `${loginFile(session)}: nobody is logged in`)
      : shown('login', found.source.description, found.origin)
  } catch (error) {
    return shown('login', null, messageOf(error))
  }
}

/** The settings that have a variable of their own. */
function variables({ settings, options }: Session): Setting[] {
  const { google, origins, environment } = settings
  const from = (name: string): string => origins[name] ?? ((environment[name] ?? '') === '' ? DEFAULT : 'environment')
  const plain = (name: string, value: string | undefined): Setting => shown(name, value ?? null, from(name))
  const secret = (name: string, value: string | undefined): Setting => ({ ...shown(name, null, from(name)), secret: value !== undefined })
  const token =
    options.token === undefined
      ? secret('COLAB_ESCAPE_TOKEN', google.token)
      : { ...shown('COLAB_ESCAPE_TOKEN', null, '--token'), secret: true }
  return [
    token,
    secret('COLAB_ESCAPE_CREDENTIALS', google.credentials),
    plain('GOOGLE_APPLICATION_CREDENTIALS', google.applicationCredentials),
    plain('GOOGLE_CLIENT_ID', google.clientId),
    secret('GOOGLE_CLIENT_SECRET', google.clientSecret),
    plain('COLAB_ESCAPE_CONFIG', settings.configFolder),
    plain('COLAB_ESCAPE_CACHE', settings.cacheFolder),
    plain('COLAB_ESCAPE_ZSTD', zstdName(settings.zstd)),
    shown('NO_COLOR', settings.colour ? null : '1', environment.TERM === 'dumb' ? 'TERM=dumb' : from('NO_COLOR')),
  ]
}

function others({ settings, options }: Session): Setting[] {
  const jobs = shown('jobs', options.jobs ?? String(settings.cores), options.jobs === undefined ? 'default: one per core' : '--jobs')
  return [jobs, ...proxies(settings.proxy)]
}

function proxies({ http, https, no }: ProxySettings): Setting[] {
  const each = (setting: string, address: string | undefined): Setting =>
    shown(setting, address === undefined ? null : hostOf(address), address === undefined ? DEFAULT : 'environment')
  return [each('https_proxy', https), each('http_proxy', http), shown('no_proxy', no || null, no ? 'environment' : DEFAULT)]
}
