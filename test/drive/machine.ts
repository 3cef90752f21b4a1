import type { AuthContext } from '../../src/auth/context.ts'
import { googleEndpoints } from '../../src/auth/endpoints.ts'
import { userSource } from '../../src/auth/sources.ts'
import { DRIVE_LIMITS } from '../../src/commands/shared/store.ts'
import type { PackPolicy } from '../../src/repository/format/limits.ts'
import { hashInName } from '../../src/repository/format/object-names.ts'
import type { RepositoryContext } from '../../src/repository/open/open.ts'
import { DriveStorage, type DriveStorageOptions } from '../../src/storage/drive/drive-storage.ts'
import { LimitingStorage } from '../../src/storage/limiting.ts'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import { Patience } from '../../src/util/patience.ts'
import type { Surroundings } from '../../src/util/clock.ts'
import type { Reporter } from '../../src/util/reporter.ts'
import { DEFAULT_CLIENT, type DriveEmulator } from '../drive-emulator/emulator.ts'
import { contextOf } from '../helpers/in-process.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { seededRandom } from '../helpers/seeded.ts'

/** All that a machine needs to know of an emulator, which may be in another process. */
export type DriveAccess = Pick<DriveEmulator, 'url' | 'issueToken'> & Partial<Pick<DriveEmulator, 'pass'>>

export interface MachineOptions extends Partial<DriveStorageOptions> {
  /** Two machines with one seed would give their packs the same nonces. */
  seed?: number
  surroundings?: Surroundings
  reporter?: Reporter
  packPolicy?: PackPolicy
}

/**
 * What the commands build for `--store drive:`, with waits that take no time, in this process. Every one is a machine
 * of its own, without any cache.
 */
export function machine(emulator: DriveAccess, options: MachineOptions = {}): RepositoryContext {
  const { seed = nextSeed++, reporter, surroundings = seededSurroundings(seed), packPolicy, ...more } = options
  const { monotonic } = surroundings
  // a wait takes no time, but for what Drive only does for a while
  const passing = async (ms: number): Promise<void> => emulator.pass?.(ms)
  const random = seededRandom(seed)
  const patience = more.sleep
    ? new Patience({ sleep: more.sleep, random, now: monotonic })
    : timelessPatience(ms => emulator.pass?.(ms), { random })
  const drive = new DriveStorage({
    tokens: loginOf(emulator, { ...surroundings, patience }),
    path: ['colab-escape'],
    baseUrl: emulator.url,
    fetch,
    hashInName,
    sleep: passing,
    patience,
    monotonic,
    ...more,
  })
  const storage = new RetryingStorage(new LimitingStorage(drive, DRIVE_LIMITS), patience)
  return contextOf(storage, { surroundings, packPolicy, ...(reporter === undefined ? {} : { reporter }) })
}

let nextSeed = 1

/** Chance from a seed, and time from a clock that tests move, else the real one. */
export function seededSurroundings(seed: number, clock?: { now: number }): Surroundings {
  const random = seededRandom(seed * 7919)
  return {
    now: () => clock?.now ?? Date.now(),
    monotonic: () => clock?.now ?? performance.now(),
    random: length => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
  }
}

/** A login whose access token is renewed with the refresh token, and which has a good one already. */
function loginOf(emulator: DriveAccess, surroundings: Surroundings & { patience: Patience }): DriveStorageOptions['tokens'] {
  const { accessToken, refreshToken } = emulator.issueToken()
  const context: AuthContext = { fetch, endpoints: googleEndpoints(emulator.url), ...surroundings }
  const client = { id: DEFAULT_CLIENT.id, secret: DEFAULT_CLIENT.secret }
  const renewed = userSource({ type: 'user', client, refreshToken }, 'a test', context)
  let first: string | undefined = accessToken
  return {
    getToken: async ({ refuse, signal } = {}) => {
      if (refuse === accessToken) first = undefined
      return first ?? renewed.getToken({ ...(refuse === undefined ? {} : { refuse }), ...(signal === undefined ? {} : { signal }) })
    },
  }
}
