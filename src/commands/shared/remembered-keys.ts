import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile } from '../../local/replace-file.ts'
import { AppError, errnoOf, messageOf } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import { isRecord } from '../../util/json-fields.ts'
import { readSmallFile } from '../../util/small-file.ts'

const MAX_BYTES = 4096

/** A random secret that this machine keeps for one repository, and the key object that it opens. */
export interface RememberedKey {
  secret: Uint8Array
  /** Name of the key object. */
  object: string
}

const fileOf = (configFolder: string, keyId: string): string => join(configFolder, 'keys', `${keyId}.json`)

/** Undefined if nothing is kept. Throws `unauthenticated` for a file that others could have read or written. */
export function rememberedKey(configFolder: string, keyId: string): RememberedKey | undefined {
  const file = fileOf(configFolder, keyId)
  try {
    const kept: unknown = JSON.parse(readSmallFile(file, { maxBytes: MAX_BYTES, mustBeOwn: true }).toString())
    if (isRecord(kept) && typeof kept.secret === 'string' && typeof kept.object === 'string')
      return { secret: Buffer.from(kept.secret, 'hex'), object: kept.object }
    throw new Error('it is damaged')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw new AppError('unauthenticated', `The key in ${file} is not used: ${messageOf(error)}.`, {
      hint: `Remove ${file}, and run \`colab-escape key remember\` again.`,
      cause: error,
    })
  }
}

/** Keeps a key, readable for this user only. */
export async function keepKey(configFolder: string, keyId: string, { secret, object }: RememberedKey): Promise<string> {
  const file = fileOf(configFolder, keyId)
  try {
    makeFolder(dirname(file), { mode: 0o700 })
    await replaceFile(file, `${JSON.stringify({ secret: Buffer.from(secret).toString('hex'), object })}\n`, { isDurable: true })
    return file
  } catch (error) {
    throw new AppError('io', `The key can't be kept: ${messageOf(error)}.`, {
      hint: `Check that ${dirname(file)} can be written, or name another folder with COLAB_ESCAPE_CONFIG.`,
      cause: error,
    })
  }
}

/** Removes what is kept. An absent file is a success. */
export function forgetKey(configFolder: string, keyId: string): void {
  rmSync(fileOf(configFolder, keyId), { force: true })
}
