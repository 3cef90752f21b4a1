import type { ChosenCredentials } from '../../auth/choose.ts'
import { shortScope } from '../../auth/credentials.ts'
import { checkConfig } from '../../repository/format/config.ts'
import { CONFIG_NAME, isOurs, type Inventory } from '../../repository/format/object-names.ts'
import type { TrashedObjects } from '../../repository/prune/empty-trash.ts'
import { MAX_OBJECT_BYTES, type Quota } from '../../storage/storage.ts'
import { formatBytes, formatDuration, formatRemaining, plural, localTime } from '../../ui/format.ts'
import { newerFormat } from '../../util/errors.ts'
import type { ChosenStore } from '../shared/store.ts'
import { amountOf, EMPTY_TRASH } from '../shared/trash-report.ts'
import { attention, ok, problem, type Finding } from './checks.ts'
import { whyNotWritable } from './machine.ts'

/** Below this much room (bytes) it is time to think about it. */
const LITTLE_ROOM = 1_000_000_000
/** A clock that is further off (ms) gives confusing times; a few minutes off, Google refuses the logins of service accounts. */
const CLOCK_OFF_MS = 60_000
/** File systems stamp files with a clock that ticks this rarely (ms) at worst; Drive tells whole seconds. */
const COARSE_CLOCK_MS = 1_000

export function judgeNoLogin(wantsDrive: boolean): Finding {
  if (!wantsDrive) return ok('nobody is logged in to Google Drive; not needed for a folder')
  return attention('Nobody is logged in to Google Drive.', 'Run `colab-escape auth login`, or name a folder with --store.')
}

export function judgeLogin({ source, origin, note }: ChosenCredentials, loginEnds: number | undefined, now: number): Finding {
  const { expiresAt = Infinity, scope } = source.last ?? {}
  const ends = expiresAt === Infinity ? '' : `; its token ends in ${formatRemaining(expiresAt - now)}`
  const who = `${source.description}, from ${origin}${ends}`
  const reach = shortScope(scope)
  if (note !== undefined) return attention(who, note)
  if (scope !== undefined && reach === '')
    return problem(`${who}: it has no access to Drive.`, 'Run `colab-escape auth login` and leave the box for Google Drive ticked.')
  if (loginEnds !== undefined)
    return attention(
      `${who}; the login ends at ${localTime(loginEnds)}, as its OAuth client is in "testing".`,
      'Publish the client: `colab-escape auth setup` tells where.',
    )
  if (reach === 'drive.file')
    return attention(
      `${who}: it sees only what its own OAuth client made, nothing that was pushed from Colab.`,
      'If something is missing, run `colab-escape auth login` (its default scope sees all).',
    )
  return ok(who)
}

/** Whether a repository is there, and one that this program can use. */
export async function judgeStore(store: ChosenStore, inventory: Inventory, signal: AbortSignal): Promise<Finding> {
  const { location } = store.storage
  const { hasConfig, empty, features, snapshots, unknown } = inventory
  if (store.kind === 'folder' && !hasConfig) {
    const strangers = await store.folder.strangers(isOurs, 1)
    if (strangers.length > 0) return foreign(location, strangers[0]!)
  }
  if (empty && inventory.foreign > 0) return foreign(location, plural(inventory.foreign, 'other file'))
  const unwritable = store.kind === 'folder' ? await whyNotWritable(store.path) : undefined
  if (empty) {
    if (unwritable !== undefined)
      return problem(`${location} holds no repository and can't be written (${unwritable}).`, 'Name another place with --store.')
    return attention(
      `${location} holds no repository yet.`,
      'A first `colab-escape push <path>` makes one. If there should be one, check --store.',
    )
  }
  if (features.length > 0) throw newerFormat(`The repository in ${location}`)
  if (hasConfig) checkConfig(await store.storage.get(CONFIG_NAME, undefined, { signal }), location)
  else return attention(`${location} has lost its config.json.`, 'The next push writes it again.')
  if (unknown.length > 0)
    return attention(
      `${location} holds ${plural(unknown.length, 'object')} with a damaged name, such as ${unknown[0]!}.`,
      'Run `colab-escape check`.',
    )
  if (unwritable !== undefined)
    return attention(`${location} can be read, but not written (${unwritable}).`, 'Mend its permissions before the next push.')
  const names = new Set(snapshots.map(({ name }) => name)).size
  return ok(`${location}: a repository with ${plural(snapshots.length, 'version')} of ${plural(names, 'name')}`)
}

function foreign(location: string, what: string): Finding {
  return problem(`${location} is no repository and holds other files (${what}).`, 'Name an empty or a new folder with --store.')
}

/** `asOf` is what the store's clock said at some moment between `began` and `ended` of ours; all in ms since 1970. */
export function judgeClock(asOf: number, began: number, ended: number): Finding {
  const ahead = asOf < began - COARSE_CLOCK_MS ? began - asOf : asOf > ended + COARSE_CLOCK_MS ? ended - asOf : 0
  if (Math.abs(ahead) < CLOCK_OFF_MS) return ok("agrees with the store's")
  return attention(
    `This machine's clock is ${formatDuration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} the store's.`,
    "Set the clock, e.g. by switching on automatic time. Versions keep their order: they go by the store's clock.",
  )
}

export function judgeSpace({ used, limit }: Quota): Finding {
  if (used === undefined || limit === undefined) return ok(used === undefined ? 'no limit is known' : `${formatBytes(used)} used, no limit`)
  const free = Math.max(0, limit - used)
  const message = `${formatBytes(free)} of ${formatBytes(limit)} free`
  if (free < MAX_OBJECT_BYTES)
    return problem(`Only ${message}: too little for a push.`, 'Free some space there (on Drive, empty its trash too).')
  if (free < LITTLE_ROOM)
    return attention(`Only ${message}.`, 'Free some space there (on Drive, empty its trash too) before the next large push.')
  return ok(message)
}

export function judgeTrash(trashed: TrashedObjects): Finding {
  const message = `${amountOf(trashed)} of the repository are in Drive's trash and take space as before. Versions may need some of it.`
  return attention(message, EMPTY_TRASH)
}

/** What surprises people in notebooks. `folder` is the one that commands run in. */
export function judgeColab(store: ChosenStore | undefined, folder: string, inColab: boolean): Finding | undefined {
  if (store?.kind === 'folder' && store.mounted)
    return attention(
      'The store lies on a mounted Drive: what is written there reaches Drive later.',
      'Run drive.flush_and_unmount() in a cell before you leave, or use --store drive: which knows when data has arrived.',
    )
  if (!inColab) return undefined
  if (store?.kind === 'folder')
    return attention(
      "The store lies on this notebook's own disk, which is wiped when the session ends.",
      'Use --store drive: (after auth.authenticate_user() in a cell).',
    )
  if (folder.startsWith('/content/drive/'))
    return attention(
      'This folder lies on a mounted Drive, where reading many small files is slow.',
      'Work on data below /content, and push it from there.',
    )
  return ok("this notebook's disk is wiped when the session ends: push what you want to keep")
}
