import { openForReading, type OpenRepository, type RepositoryContext } from '../../../src/repository/open/open.ts'
import { readSequence } from '../../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../../src/repository/read/read-manifest.ts'
import { readTags, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { Loss } from '../truth.ts'
import { short } from '../world.ts'
import type { Promises } from './promises.ts'
import type { Version } from './versions.ts'

/** Throws if a reader does not get, by the id of its version, a file that can be restored from what the store shows. */
export async function expectAllOffered(context: RepositoryContext, promises: Promises): Promise<void> {
  const { physical } = promises
  const holdings = physical.holdings('seen')
  const whole = promises
    .standing()
    .filter(({ objectName, manifest }) => physical.isThere(objectName, 'seen') && manifest.every(chunk => holdings.has(chunk)))
  if (whole.length === 0) return
  const repository = await openForReading(context).catch((error: unknown) => notOffered(whole[0]!, error))
  for (const version of whole) await expectOffered(repository, version, chunk => holdings.has(chunk))
  if (promises.areLabelsSure()) await expectTags(repository, promises, whole)
}

async function expectOffered(repository: OpenRepository, version: Version, has: (chunk: string) => boolean): Promise<void> {
  try {
    const found = await resolveVersion(repository, repository.view, { name: version.name, at: version.id, back: 0 })
    if (found.id !== version.id) throw new Error(`another one is found: ${found.id}`)
    const missing = new Map([...version.files].filter(([, chunk]) => has(chunk)))
    for await (const entry of readManifest(repository, found)) {
      if (entry.type !== 'file' || !missing.delete(entry.path)) continue
      if (entry.chunks.toString('hex') !== version.files.get(entry.path)) throw new Error(`${entry.path} is another file`)
      for await (const bytes of readSequence(repository, entry.chunks, entry.path))
        if (bytes.length === 0) throw new Error('nothing is read')
    }
    if (missing.size > 0) throw new Error(`it lacks ${[...missing.keys()].join()}`)
  } catch (error) {
    notOffered(version, error)
  }
}

function notOffered({ objectName }: Version, error: unknown): never {
  throw new Loss('offer', `${short(objectName)} is not offered though it can be restored: ${(error as Error).message}`)
}

async function expectTags(repository: OpenRepository, promises: Promises, versions: readonly Version[]): Promise<void> {
  const { storage, view } = repository
  const found = await readTags(storage, view, versions.map(({ id, tags }) => ({ id, tags: [...tags] })) as never)
  for (const version of versions) {
    const [is, should] = [found.get(version.id) ?? [], promises.tagsOf(version)].map(tags => [...tags].sort().join())
    if (is !== should) throw new Loss('tag', `${short(version.objectName)} has the tags "${is}" instead of "${should}"`)
  }
}

/** Throws if a name means another version than the newest one, which a push has just acknowledged. */
export async function expectNewest(context: RepositoryContext, version: Version): Promise<void> {
  try {
    const repository = await openForReading(context)
    const found = await resolveVersion(repository, repository.view, { name: version.name, at: undefined, back: 0 })
    if (found.id !== version.id) throw new Error(`${found.ref.objectName} is`)
  } catch (error) {
    if (!isAppError(error) && !(error instanceof Error)) throw error
    throw new Loss('offer', `${short(version.objectName)} is not the newest version though it was just pushed: ${error.message}`)
  }
}
