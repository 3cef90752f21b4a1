import { CompressionPool } from '../../src/compression/pool.ts'
import { walk } from '../../src/local/walk.ts'
import { check, type CheckResult } from '../../src/repository/check/check.ts'
import type { PackPolicy } from '../../src/repository/format/limits.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { pull, type PullResult } from '../../src/repository/pull/pull.ts'
import { push, type PushRequest, type PushResult } from '../../src/repository/push/push.ts'
import { parseVersion, resolveVersion } from '../../src/repository/versions/versions.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { realSurroundings, type Surroundings } from '../../src/util/clock.ts'
import { silentReporter, type Reporter } from '../../src/util/reporter.ts'

export interface Means {
  surroundings?: Surroundings
  reporter?: Reporter
  packPolicy?: PackPolicy | undefined
}

/** What an operation works with, all in this thread. */
export function contextOf(
  storage: Storage,
  { surroundings = realSurroundings, reporter = silentReporter, packPolicy }: Means = {},
): RepositoryContext {
  return { storage, pool: new CompressionPool({ workers: 0 }), surroundings, reporter, packPolicy }
}

/** What `colab-escape push <folder> --name <name>` does. */
export async function pushFolder(
  context: RepositoryContext,
  folder: string,
  name: string,
  more: Partial<PushRequest> = {},
): Promise<PushResult> {
  const source = await walk(folder, { reporter: context.reporter })
  const rest = { tags: [], dryRun: false, host: 'a test', program: 'a test', cache: undefined }
  return push(context, { name, source, level: 'balanced', ...rest, ...more })
}

/** What `colab-escape pull <version> <destination>` does. */
export async function pullVersion(
  context: RepositoryContext,
  version: string,
  destination: string,
  force = false,
  only: readonly string[] = [],
): Promise<PullResult> {
  const repository = await openForReading(context)
  const snapshot = await resolveVersion(repository, repository.view, parseVersion(version))
  const options = { only, exclude: [], delete: false, force, dryRun: false, skip: undefined, openCache: () => Promise.resolve(undefined) }
  return pull(context, repository, { snapshot, destination, ...options })
}

/** What `colab-escape check --read-data` does. */
export function checkAll(context: RepositoryContext): Promise<CheckResult> {
  return check(context, { readData: 1 })
}
