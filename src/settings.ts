import { readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'
import { parseEnv } from 'node:util'
import envPaths from 'env-paths'
import { AppError, errnoOf, messageOf } from './util/errors.ts'

/** What the environment says. The one place that reads it: variables, the `.env` file of the current folder, the machine. */
export interface Settings {
  /** COLAB_ESCAPE_STORE */
  store: string | undefined
  /** COLAB_ESCAPE_CACHE, else the platform's folder for caches. */
  cacheFolder: string
  /** COLAB_ESCAPE_ZSTD: `native` or `portable`, to force one of the codecs. */
  zstd: 'native' | 'portable' | undefined
  colour: boolean
  cores: number
  host: string
}

export function readSettings(): Settings {
  const env = { ...readEnvFile('.env'), ...process.env }
  const zstd = env.COLAB_ESCAPE_ZSTD
  if (zstd !== undefined && zstd !== '' && zstd !== 'native' && zstd !== 'portable')
    throw new AppError('usage', `COLAB_ESCAPE_ZSTD is ${JSON.stringify(zstd)}.`, { hint: 'Set it to native or portable, or not at all.' })
  return {
    store: nonEmpty(env.COLAB_ESCAPE_STORE),
    cacheFolder: nonEmpty(env.COLAB_ESCAPE_CACHE) ?? envPaths('colab-escape', { suffix: '' }).cache,
    zstd: zstd === 'native' || zstd === 'portable' ? zstd : undefined,
    colour: nonEmpty(env.NO_COLOR) === undefined,
    cores: availableParallelism(),
    host: hostname(),
  }
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function readEnvFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {}
    throw new AppError('io', `The settings file ${path} can't be read: ${messageOf(error)}`, { hint: 'Mend or remove it.', cause: error })
  }
}
