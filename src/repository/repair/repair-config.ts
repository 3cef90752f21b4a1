import { ForwardingStorage } from '../../storage/forwarding.ts'
import type { ByteRange, Listing, Storage, StorageOptions } from '../../storage/storage.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { checkConfig, encodeConfig } from '../format/config.ts'
import { CONFIG_NAME, takeInventory, type Inventory } from '../format/object-names.ts'

/** False if the config is missing or damaged. Throws `newer-format` for the config of a later program. */
export async function hasGoodConfig(storage: Storage, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    checkConfig(await storage.get(CONFIG_NAME, undefined, { signal }), storage.location)
    return true
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'not-found')) throw error
    return false
  }
}

/**
 * Writes the config again if it is missing or damaged: its bytes are always the same. True if it was, or would be,
 * written. `found`: true if objects of a repository were found. Without any, a config.json is another program's.
 */
export async function repairConfig(storage: Storage, found: boolean, dryRun: boolean, signal: AbortSignal | undefined): Promise<boolean> {
  if (await hasGoodConfig(storage, signal)) return false
  const inventory = takeInventory(await storage.list({ signal }))
  if (!found && !holdsObjects(inventory)) {
    if (!inventory.hasConfig) return false
    throw new AppError('not-a-repository', `${storage.location} holds no object of a repository but a config.json that makes no sense.`, {
      hint: 'Check --store. If another program made that folder, choose another one. Nothing was changed.',
    })
  }
  if (dryRun) return true
  await storage.remove(CONFIG_NAME, { signal })
  await storage.put(CONFIG_NAME, encodeConfig(), { signal })
  return true
}

function holdsObjects({ packs, indexes, labels, tombs, snapshots }: Inventory): boolean {
  return packs.size + indexes.size + labels.size + tombs.size + snapshots.length > 0
}

/** A store as it will be when the config is written, for a dry run. */
export class WithConfig extends ForwardingStorage {
  override get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    return name === CONFIG_NAME ? Promise.resolve(encodeConfig()) : super.get(name, range, options)
  }

  override async list(options?: StorageOptions): Promise<Listing> {
    const listing = await super.list(options)
    const { asOf, objects } = listing
    const config = { name: CONFIG_NAME, size: encodeConfig().length, created: asOf }
    return { ...listing, objects: [...objects.filter(({ name }) => name !== CONFIG_NAME), config] }
  }
}
