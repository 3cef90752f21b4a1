import { ForwardingStorage } from '../../storage/forwarding.ts'
import type { ByteRange, Storage, StorageOptions } from '../../storage/storage.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { checkConfig, encodeConfig } from '../format/config.ts'
import { CONFIG_NAME, takeInventory } from '../format/object-names.ts'

/**
 * Writes the config again if it is missing or damaged: its bytes are always the same. Throws `newer-format` for the
 * config of a later program. True if it was, or would be, written.
 */
export async function repairConfig(storage: Storage, dryRun: boolean, signal: AbortSignal | undefined): Promise<boolean> {
  const { objects } = await storage.list({ signal })
  const { hasConfig, empty, foreign } = takeInventory({ asOf: 0, objects })
  if (empty) return false
  if (hasConfig) {
    try {
      checkConfig(await storage.get(CONFIG_NAME, undefined, { signal }), storage.location)
      return false
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'not-found')) throw error
      // other programs have a config.json too, such as that of a model
      if (objects.length - foreign === 1)
        throw new AppError(
          'not-a-repository',
          `${storage.location} holds no object of a repository but a config.json that makes no sense.`,
          {
            hint: 'Check --store. If another program made that folder, choose another one. Nothing was changed.',
            cause: error,
          },
        )
    }
  }
  if (dryRun) return true
  await storage.remove(CONFIG_NAME, { signal })
  await storage.put(CONFIG_NAME, encodeConfig(), { signal })
  return true
}

/** A store as it will be when the config is written, for a dry run. */
export class WithConfig extends ForwardingStorage {
  override get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    return name === CONFIG_NAME ? Promise.resolve(encodeConfig()) : super.get(name, range, options)
  }
}
